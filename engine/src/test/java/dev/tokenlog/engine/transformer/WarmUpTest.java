package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.architecture.ModelPlan;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class WarmUpTest {

    private static final class CountingExecutor implements Executor {
        private final Executor executor;
        private int steps;

        CountingExecutor(String compute) {
            executor =
                    CpuExecutor.open(
                            RandomModel.create(), CpuOptions.automatic().withCompute(compute));
        }

        @Override
        public ModelPlan plan() {
            return executor.plan();
        }

        @Override
        public String numericsId() {
            return executor.numericsId();
        }

        @Override
        public String description() {
            return executor.description();
        }

        @Override
        public Sequence newSequence() {
            return executor.newSequence();
        }

        @Override
        public KvPages kvPages() {
            return executor.kvPages();
        }

        @Override
        public Batch newBatch(int maxTokens, int maxLogits) {
            return executor.newBatch(maxTokens, maxLogits);
        }

        @Override
        public void step(Batch batch) {
            steps++;
            executor.step(batch);
        }

        @Override
        public void close() {
            executor.close();
        }
    }

    @Test
    void endsByItselfAndChangesNothing() {
        int[] ids = {1, 2, 3, 4};
        // More than it takes on any machine, however busy.
        Duration atMost = Duration.ofHours(1);
        try (CountingExecutor executor = new CountingExecutor("vector")) {
            float[][] before = Logits.of(executor, ids);
            executor.steps = 0;

            assertThat(WarmUp.run(executor, atMost)).isLessThan(atMost);

            assertThat(executor.steps).isPositive();
            assertThat(Logits.of(executor, ids)).isEqualTo(before);
        }
    }

    @Test
    void noTimeIsNoWarmUp() {
        try (CountingExecutor executor = new CountingExecutor("scalar")) {
            WarmUp.run(executor, Duration.ZERO);

            assertThat(executor.steps).isZero();
        }
    }
}
