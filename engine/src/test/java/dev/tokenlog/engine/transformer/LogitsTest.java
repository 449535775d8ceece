package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class LogitsTest {

    private static final int[] PROMPT = {1, 2, 3};

    @Test
    void theLikeliestTokenIsThatOfTheLogits() {
        try (Executor executor = CpuExecutor.open(RandomModel.create(), CpuOptions.automatic())) {
            float[] last = Logits.of(executor, PROMPT)[PROMPT.length - 1];
            int next = Logits.greedy(executor, PROMPT, 1)[0];
            for (float logit : last) {
                assertThat(logit).isLessThanOrEqualTo(last[next]);
            }
        }
    }

    /// A soft cap would write finite logits, and of NaNs the first token is the likeliest.
    @Test
    void numbersAfterANaNAreNoAnswer() {
        MemoryModel model = RandomModel.createUnusual();
        float[] bias = model.vector("0.qkv.bias").clone();
        bias[3] = Float.NaN;
        model.put("0.qkv.bias", bias);
        try (Executor executor = CpuExecutor.open(model, CpuOptions.automatic())) {
            assertNonFinite(() -> Logits.of(executor, PROMPT));
            assertNonFinite(() -> Logits.greedy(executor, PROMPT, 2));
        }
    }

    private static void assertNonFinite(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.NON_FINITE));
    }
}
