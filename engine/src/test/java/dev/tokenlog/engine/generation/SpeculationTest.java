package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.generation.GenerationListener.Statistics;
import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Guessed tokens on an executor of few words, some of whose texts repeat themselves and some of
/// which only seem to: a wrong guess that was taken would give other tokens.
@Timeout(60)
class SpeculationTest {

    private static final int VOCABULARY = 18;
    private static final int CONTEXT = 256;
    private static final int END = 2;

    /// Steps cost nothing: everything that is guessed is tried.
    private static StepLoop start(HashExecutor executor, StepLoopOptions options) {
        return StepLoop.start(executor, Set.of(END), () -> StepLoopTest::text, options, () -> 0);
    }

    private static StepLoop startEndless(HashExecutor executor, StepLoopOptions options) {
        return StepLoop.start(executor, Set.of(), () -> StepLoopTest::text, options, () -> 0);
    }

    @Test
    void anyMixGivesTheTokensOfALoneRun() throws Exception {
        Random random = new Random(23);
        int drafted = 0;
        int accepted = 0;
        for (int round = 0; round < 80; round++) {
            int bound = random.nextBoolean() ? CONTEXT : 1 + random.nextInt(100);
            HashExecutor executor =
                    new HashExecutor(VOCABULARY, CONTEXT, bound)
                            .remembering(new int[] {1, 2, 3, CONTEXT}[random.nextInt(4)]);
            LoneRun lone = new LoneRun(executor, END, StepLoopTest::text);
            int sequences = 1 + random.nextInt(4);
            StepLoopOptions options =
                    new StepLoopOptions(
                            sequences,
                            sequences + random.nextInt(20),
                            1 + random.nextInt(8),
                            random.nextInt(9));
            List<Recorder> recorders = new ArrayList<>();
            List<LoneRun.Result> expected = new ArrayList<>();
            try (StepLoop loop = start(executor, options)) {
                for (int i = 0; i < 8; i++) {
                    GenerationRequest whole = randomRequest(random);
                    LoneRun.Result result = lone.of(whole, bound);
                    int done = random.nextBoolean() ? 0 : random.nextInt(result.tokens().size());
                    recorders.add(new Recorder(done, count -> {}));
                    expected.add(
                            new LoneRun.Result(
                                    result.tokens().subList(done, result.tokens().size()),
                                    result.reason(),
                                    result.stop()));
                    loop.submit(
                            StepLoopTest.resumed(whole, result.tokens().subList(0, done)),
                            recorders.getLast());
                }
                for (int i = 0; i < recorders.size(); i++) {
                    Recorder.Result result = recorders.get(i).await();
                    assertThat(result.tokens()).isEqualTo(expected.get(i).tokens());
                    assertThat(result.finish().reason()).isEqualTo(expected.get(i).reason());
                    assertThat(result.finish().stopSequence()).isEqualTo(expected.get(i).stop());
                    Statistics statistics = result.finish().statistics();
                    assertThat(statistics.acceptedTokens())
                            .isBetween(0, Math.max(0, result.tokens().size() - 1));
                    assertThat(statistics.draftedTokens())
                            .isGreaterThanOrEqualTo(statistics.acceptedTokens());
                    drafted += statistics.draftedTokens();
                    accepted += statistics.acceptedTokens();
                }
            }
            assertThat(executor.sequencesOpen()).isZero();
        }
        // Both happen often.
        assertThat(accepted).isGreaterThan(1000);
        assertThat(drafted - accepted).isGreaterThan(1000);
    }

    /// As long as the context lets them be.
    private static GenerationRequest randomRequest(Random random) {
        GenerationRequest r = StepLoopTest.randomRequest(random, VOCABULARY);
        return new GenerationRequest(
                r.id(),
                r.promptIds(),
                r.doneIds(),
                random.nextBoolean() ? SamplingParameters.greedy() : r.sampling(),
                1 + random.nextInt(300),
                random.nextInt(3) > 0 ? List.of() : r.stop(),
                r.alternatives(),
                r.priority(),
                r.alone());
    }

    private static GenerationRequest greedy(int[] prompt, int maxTokens, int alternatives) {
        return new GenerationRequest(
                "g",
                prompt,
                new int[0],
                SamplingParameters.greedy(),
                maxTokens,
                List.of(),
                alternatives,
                0,
                false);
    }

    private static Recorder.Result run(StepLoop loop, GenerationRequest request) throws Exception {
        Recorder recorder = new Recorder();
        loop.submit(request, recorder);
        return recorder.await();
    }

    @Test
    void aTextThatRepeatsItselfTakesFewerSteps() throws Exception {
        GenerationRequest request = greedy(new int[] {14, 15, 16}, 200, -1);
        HashExecutor plain = new HashExecutor(VOCABULARY, CONTEXT).remembering(1);
        List<Integer> expected;
        try (StepLoop loop = startEndless(plain, StepLoopOptions.standard().withDrafts(0))) {
            Recorder.Result result = run(loop, request);
            expected = result.tokens();
            assertThat(result.finish().statistics().draftedTokens()).isZero();
        }
        assertThat(expected).hasSize(200);
        HashExecutor guessed = new HashExecutor(VOCABULARY, CONTEXT).remembering(1);
        try (StepLoop loop = startEndless(guessed, StepLoopOptions.standard())) {
            Recorder.Result result = run(loop, request);
            assertThat(result.tokens()).isEqualTo(expected);
            assertThat(plain.steps() - guessed.steps())
                    .isEqualTo(result.finish().statistics().acceptedTokens());
        }
        assertThat(guessed.steps()).isLessThan(plain.steps() / 4);
    }

    @Test
    void logProbabilitiesAreThoseOfTheirTokens() throws Exception {
        GenerationRequest request = greedy(new int[] {14, 15, 16}, 100, 3);
        List<Recorder.Result> results = new ArrayList<>();
        for (int drafts : new int[] {0, 7}) {
            HashExecutor executor = new HashExecutor(VOCABULARY, CONTEXT).remembering(2);
            try (StepLoop loop =
                    startEndless(executor, StepLoopOptions.standard().withDrafts(drafts))) {
                results.add(run(loop, request));
            }
        }
        assertThat(results.getLast().finish().statistics().acceptedTokens()).isGreaterThan(20);
        List<TokenLogProbability> plain = results.getFirst().logprobs();
        List<TokenLogProbability> guessed = results.getLast().logprobs();
        assertThat(guessed).hasSameSizeAs(plain);
        for (int i = 0; i < plain.size(); i++) {
            assertThat(guessed.get(i).logprob()).isEqualTo(plain.get(i).logprob());
            assertThat(guessed.get(i).alternativeIds()).isEqualTo(plain.get(i).alternativeIds());
        }
    }

    @Test
    void aStopWithinWhatWasGuessedIsObeyedAtItsToken() throws Exception {
        HashExecutor executor = new HashExecutor(VOCABULARY, CONTEXT).remembering(1);
        try (StepLoop loop = startEndless(executor, StepLoopOptions.standard())) {
            GenerationHandle[] handle = new GenerationHandle[1];
            // The loop's thread waits at its first token until the handle is known.
            Object known = new Object();
            Recorder recorder =
                    new Recorder(
                            0,
                            count -> {
                                synchronized (known) {
                                    if (count == 101) {
                                        handle[0].stop();
                                    }
                                }
                            });
            synchronized (known) {
                handle[0] = loop.submit(greedy(new int[] {14, 15, 16}, 200, -1), recorder);
            }
            assertThat(recorder.await().tokens()).hasSize(101);
            assertThat(recorder.await().end()).isNull();
        }
    }

    /// A token that the sampler never takes makes numbers that are none when it is guessed.
    @Test
    void aWrongGuessDoesNoHarm() throws Exception {
        int context = 600;
        // Every pair of letters, and the poison after it.
        int[] prompt = new int[3 * 100 + 2];
        for (int i = 0; i < 300; i++) {
            prompt[i] = new int[] {3 + i / 30, 3 + i / 3 % 10, HashExecutor.POISON}[i % 3];
        }
        boolean guessedWrong = false;
        for (int last = 3; last < 13; last++) {
            prompt[prompt.length - 1] = last;
            prompt[prompt.length - 2] = 17;
            GenerationRequest request = greedy(prompt.clone(), 150, -1);
            List<Recorder.Result> results = new ArrayList<>();
            int sequences = 0;
            for (int drafts : new int[] {0, 5}) {
                HashExecutor executor =
                        new HashExecutor(VOCABULARY, context).poisonousFrom(prompt.length);
                try (StepLoop loop =
                        startEndless(executor, StepLoopOptions.standard().withDrafts(drafts))) {
                    results.add(run(loop, request));
                }
                sequences = executor.sequencesMade();
                assertThat(executor.sequencesOpen()).isZero();
            }
            assertThat(results.getLast().tokens()).isEqualTo(results.getFirst().tokens());
            guessedWrong |= sequences > 1;
        }
        assertThat(guessedWrong).isTrue();
    }

    @Test
    void looksForTheLongestEqualPieceAndTheLastOfThose() {
        PromptLookup lookup = PromptLookup.upTo(4).get();
        int[] text = {1, 2, 3, 4, 5, 9, 2, 3, 7, 8, 1, 2, 3, 9, 6, 6, 1, 2, 3};
        lookup.look(text, text.length);
        assertThat(guess(lookup)).containsExactly(9, 6, 6, 1);
        lookup.look(text, 13);
        assertThat(guess(lookup)).containsExactly(4, 5, 9, 2);
        lookup.look(text, 8);
        assertThat(guess(lookup)).containsExactly(4, 5, 9, 2);
        lookup.look(text, 6);
        assertThat(guess(lookup)).isEmpty();
    }

    @Test
    void aGuessThatReachesTheEndGoesOnInItself() {
        PromptLookup lookup = PromptLookup.upTo(5).get();
        int[] text = {8, 1, 2, 3, 1, 2, 3};
        lookup.look(text, text.length);
        assertThat(guess(lookup)).containsExactly(1, 2, 3, 1, 2);
        lookup.look(new int[] {5, 5}, 1);
        assertThat(guess(lookup)).isEmpty();
        lookup.look(new int[] {5, 5, 5}, 3);
        assertThat(guess(lookup)).containsExactly(5, 5, 5, 5, 5);
    }

    @Test
    void learnsHowOftenItIsRight() {
        Supplier<PromptLookup> lookups = PromptLookup.upTo(3);
        PromptLookup lookup = lookups.get();
        int[] text = {4, 5, 6, 4, 5};
        double before = rateAfter(lookup, text);
        for (int i = 0; i < 30; i++) {
            lookup.look(text, 5);
            assertThat(lookup.confirm(6)).isTrue();
            assertThat(lookup.confirm(4)).isTrue();
        }
        double right = rateAfter(lookup, text);
        assertThat(rateAfter(lookups.get(), text)).isBetween(before + 0.1, right - 0.1);
        for (int i = 0; i < 30; i++) {
            lookup.look(text, 5);
            assertThat(lookup.confirm(7)).isFalse();
            assertThat(lookup.confirm(4)).isFalse(); // after a wrong one, nothing counts
        }
        assertThat(right).isGreaterThan(before).isGreaterThan(0.95);
        assertThat(rateAfter(lookup, text)).isLessThan(0.1);
    }

    private static double rateAfter(PromptLookup lookup, int[] text) {
        lookup.look(text, text.length);
        return lookup.rate();
    }

    private static int[] guess(PromptLookup lookup) {
        int[] tokens = new int[lookup.size()];
        Arrays.setAll(tokens, lookup::token);
        return tokens;
    }
}
