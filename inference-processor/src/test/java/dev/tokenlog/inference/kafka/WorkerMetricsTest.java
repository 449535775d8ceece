package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.inference.protocol.ModelCatalogue;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Which names become labels.
class WorkerMetricsTest {

    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final WorkerMetrics metrics =
            new WorkerMetrics(
                    meters,
                    new ModelCatalogue() {
                        @Override
                        public Optional<ModelServing> find(String modelId) {
                            return Optional.of(modelId)
                                    .filter("demo"::equals)
                                    .map(name ->
                                            new ModelServing(
                                                    name,
                                                    ModelServing.State.UNPUBLISHED,
                                                    null,
                                                    List.of()));
                        }

                        @Override
                        public void whenCurrent(Runnable task) {
                            task.run();
                        }
                    });

    @Test
    void debtsOfNamesThatTheRegistryDoesNotHaveAreOneSeries() {
        metrics.owed(Map.of("demo", 5L, "nobody", 7L, "nobody else", 2L));
        assertThat(debt("demo")).isEqualTo(5);
        assertThat(debt("unknown")).isEqualTo(9);
        assertThat(meters.find("tokenlog.debt.tokens").gauges()).hasSize(2);

        metrics.owed(Map.of("demo", 4L));
        assertThat(debt("demo")).isEqualTo(4);
        assertThat(meters.find("tokenlog.debt.tokens").gauges()).hasSize(1);
    }

    private double debt(String model) {
        Gauge gauge = meters.get("tokenlog.debt.tokens").tag("model", model).gauge();
        return gauge.value();
    }
}
