package dev.tokenlog.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.RegistryCommand.RevokeRequested;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Which names become labels.
class RegistryMetricsTest {

    @Test
    void onlyModelsOfTheRegistryKeepTheirNames() {
        ModelHistory demo =
                ModelHistory.of("demo")
                        .apply(new Fact.Published(Samples.manifest("demo", Samples.A, "c")))
                        .history();
        ModelHistory revoked =
                ModelHistory.of("revoked")
                        .apply(
                                new Fact.Commanded(
                                        new RevokeRequested(
                                                "revoked", Samples.A, "why", "op", Drain.STOP)))
                        .history();

        assertThat(
                        RegistryMetrics.labelled(
                                Map.of("demo", 5L, "nobody", 7L, "revoked", 2L),
                                Map.of("demo", demo, "revoked", revoked)))
                .isEqualTo(Map.of("demo", 5L, "unknown", 9L));
    }

    @Test
    void whereTheRegistryIsNotHereTheLargestKeepTheirNames() {
        Map<String, Long> debt = new HashMap<>();
        for (long i = 1; i <= 100; i++) {
            debt.put("m" + i, i);
        }
        Map<String, Long> labelled = RegistryMetrics.labelled(debt, Map.of());
        assertThat(labelled)
                .hasSize(21)
                .containsEntry("m100", 100L)
                .containsEntry("m81", 81L)
                .containsEntry("unknown", 80L * 81 / 2);
    }
}
