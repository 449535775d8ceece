package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.generation.Replay.Difference;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Generations of the loop, computed again on an executor of their own.
@Timeout(60)
class ReplayTest {

    private static final int VOCABULARY = 64;
    private static final int CONTEXT = 400;

    /// The bound where texts begin to be read otherwise lies within prompts, within answers, or
    /// nowhere.
    private static HashExecutor executor(int longestShortText) {
        return new HashExecutor(VOCABULARY, CONTEXT, longestShortText);
    }

    private static GenerationRequest request(Random random, int[] prompt, int[] done, int most) {
        return new GenerationRequest(
                "g",
                prompt,
                done,
                new SamplingParameters(
                        random.nextInt(4) == 0 ? 0 : 0.2 + 1.5 * random.nextDouble(),
                        random.nextBoolean() ? 0 : 1 + random.nextInt(30),
                        random.nextBoolean() ? 1 : 0.3 + 0.6 * random.nextDouble(),
                        random.nextBoolean() ? 0 : 0.05,
                        random.nextBoolean() ? 1 : 1.3,
                        random.nextBoolean() ? 0 : 0.4,
                        random.nextBoolean() ? 0 : 0.2,
                        random.nextLong()),
                most,
                List.of(),
                -1,
                0,
                false);
    }

    private static GenerationRequest logged(GenerationRequest request, int[] tokens) {
        return new GenerationRequest(
                "g",
                request.promptIds(),
                tokens,
                request.sampling(),
                request.maxTokens(),
                List.of(),
                -1,
                0,
                false);
    }

    private static int[] generate(GenerationRequest request, int longestShortText)
            throws Exception {
        try (HashExecutor executor = executor(longestShortText);
                StepLoop loop =
                        StepLoop.start(
                                executor,
                                Set.of(),
                                () -> Integer::toString,
                                new StepLoopOptions(2, 16, 16))) {
            Recorder recorder = new Recorder(request.doneIds().length, count -> {});
            loop.submit(request, recorder);
            return recorder.await().tokens().stream().mapToInt(Integer::intValue).toArray();
        }
    }

    @RepeatedTest(40)
    void everyGenerationIsFoundAgainAndEveryChangeOfIt(RepetitionInfo repetition) throws Exception {
        Random random = new Random(repetition.getCurrentRepetition());
        int[] prompt = random.ints(1 + random.nextInt(120), 14, VOCABULARY).toArray();
        int most = 2 + random.nextInt(150);
        int bound =
                switch (random.nextInt(3)) {
                    case 0 -> CONTEXT;
                    case 1 -> prompt.length + random.nextInt(most);
                    default -> 1 + random.nextInt(prompt.length);
                };
        GenerationRequest request = request(random, prompt, new int[0], most);
        int[] tokens = generate(request, bound);

        assertThat(
                        Replay.firstDifference(
                                executor(bound),
                                logged(request, tokens),
                                0,
                                tokens.length,
                                () -> false))
                .isEmpty();

        int at = random.nextInt(tokens.length);
        int[] changed = tokens.clone();
        changed[at] = changed[at] == 20 ? 21 : 20;
        assertThat(
                        Replay.firstDifference(
                                executor(bound),
                                logged(request, changed),
                                0,
                                changed.length,
                                () -> false))
                .contains(new Difference(at, changed[at], tokens[at]));
        // Before the change, and behind it, where the changed token is only read.
        assertThat(
                        Replay.firstDifference(
                                executor(bound), logged(request, changed), 0, at, () -> false))
                .isEmpty();
        int[] goneOn =
                at + 1 < most
                        ? generate(logged(request, Arrays.copyOf(changed, at + 1)), bound)
                        : new int[0];
        int[] joined = Arrays.copyOf(changed, at + 1 + goneOn.length);
        System.arraycopy(goneOn, 0, joined, at + 1, goneOn.length);
        assertThat(
                        Replay.firstDifference(
                                executor(bound),
                                logged(request, joined),
                                at + 1,
                                joined.length,
                                () -> false))
                .isEmpty();
    }

    @Test
    void anotherSeedIsAnotherGeneration() throws Exception {
        int[] prompt = {20, 30, 40};
        GenerationRequest one =
                new GenerationRequest(
                        "g",
                        prompt,
                        new int[0],
                        new SamplingParameters(1, 0, 1, 0, 1, 0, 0, 7),
                        100,
                        List.of(),
                        -1,
                        0,
                        false);
        int[] tokens = generate(one, CONTEXT);
        GenerationRequest other =
                new GenerationRequest(
                        "g",
                        prompt,
                        tokens,
                        new SamplingParameters(1, 0, 1, 0, 1, 0, 0, 8),
                        100,
                        List.of(),
                        -1,
                        0,
                        false);
        assertThat(Replay.firstDifference(executor(CONTEXT), other, 0, 100, () -> false))
                .isPresent();
    }

    @Test
    void saysWhyItCannot() {
        GenerationRequest poisoned =
                request(
                        new Random(1),
                        new int[] {20, HashExecutor.POISON, 30},
                        new int[] {20, 21},
                        2);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() ->
                        Replay.firstDifference(executor(CONTEXT), poisoned, 0, 2, () -> false))
                .matches(e -> e.reason() == EngineException.Reason.NON_FINITE);
        GenerationRequest unknown =
                request(new Random(1), new int[] {20}, new int[] {VOCABULARY}, 2);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(
                        () -> Replay.firstDifference(executor(CONTEXT), unknown, 0, 1, () -> false))
                .withMessageContaining("token id 64");
        GenerationRequest tooLong =
                request(new Random(1), new int[] {20}, new int[CONTEXT], CONTEXT);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(
                        () -> Replay.firstDifference(executor(CONTEXT), tooLong, 0, 1, () -> false))
                .matches(e -> e.reason() == EngineException.Reason.CONTEXT_TOO_LONG);
    }

    @Test
    void stopsWhenItIsTold() throws Exception {
        GenerationRequest request = request(new Random(2), new int[] {20}, new int[0], 50);
        int[] tokens = generate(request, CONTEXT);
        assertThatExceptionOfType(CancellationException.class)
                .isThrownBy(() ->
                        Replay.firstDifference(
                                executor(CONTEXT), logged(request, tokens), 0, 50, () -> true));
    }
}
