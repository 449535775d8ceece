package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class WarmUpTest {

    @Test
    void endsByItselfAndChangesNothing() {
        int[] ids = {1, 2, 3, 4};
        try (Executor executor =
                CpuExecutor.open(
                        RandomModel.create(), CpuOptions.automatic().withCompute("vector"))) {
            float[][] before = Logits.of(executor, ids);

            Duration took = WarmUp.run(executor, Duration.ofMinutes(1));

            assertThat(took).isLessThan(Duration.ofMinutes(1));
            assertThat(Logits.of(executor, ids)).isEqualTo(before);
        }
    }

    @Test
    void noTimeIsNoWarmUp() {
        try (Executor executor =
                CpuExecutor.open(
                        RandomModel.create(), CpuOptions.automatic().withCompute("scalar"))) {
            assertThat(WarmUp.run(executor, Duration.ZERO)).isLessThan(Duration.ofSeconds(1));
        }
    }
}
