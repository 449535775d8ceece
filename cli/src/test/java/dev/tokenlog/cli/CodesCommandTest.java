package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import org.junit.jupiter.api.Test;

class CodesCommandTest {

    @Test
    void errorsStandBesideWhatIsPossible() {
        CommandRun run =
                CommandRun.of("codes", "demo", "--code", "int4,ternary,qins8-proj", "--json");

        assertThat(run.status()).as(run.toString()).isZero();
        JsonNode codes = Json.read(run.out(), "codes").path("codes");
        assertThat(codes).hasSize(3 * 4);
        JsonNode int4 = codes.path(0);
        assertThat(int4.path("code").asText()).isEqualTo("int4");
        assertThat(int4.path("granularity").asText()).isEqualTo("g32");
        assertThat(int4.path("bits_per_weight").asDouble()).isEqualTo(4.5);
        assertThat(int4.path("gaussian").asDouble()).isCloseTo(0.086, within(0.001));
        // 2048 weights of 1.6 bits begin a byte five at a time
        assertThat(codes.path(4).path("bits_per_weight").asDouble())
                .isEqualTo(8.0 * (410 + 128) / 2048);
        for (JsonNode code : codes) {
            assertThat(code.path("gaussian_bound").asDouble())
                    .isLessThan(code.path("gaussian").asDouble());
            assertThat(code.path("laplace_bound").asDouble())
                    .isLessThan(code.path("laplace").asDouble());
            assertThat(code.path("model").asDouble()).isBetween(0.001, 1.0);
        }
    }

    @Test
    void productsAreMeasured() {
        CommandRun run =
                CommandRun.of(
                        "codes", "demo", "--code", "int8", "--compute", "scalar", "--batch", "2");

        assertThat(run.status()).as(run.toString()).isZero();
        assertThat(run.out()).contains("Gaussian", "scalar", "batch 2", "int8");
    }
}
