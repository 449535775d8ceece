package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.generation.GenerationListener.Reason;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// On an executor whose logits are a hash of the tokens, so that every mistake in scheduling gives
/// other tokens.
@Timeout(60)
class StepLoopTest {

    private static final int VOCABULARY = 64;
    private static final int CONTEXT = 128;
    private static final int END = 2;
    private static final StepLoopOptions OPTIONS = new StepLoopOptions(4, 16, 8);

    /// No text is longer.
    private static final int NO_BOUND = CONTEXT;

    private HashExecutor executor = new HashExecutor(VOCABULARY, CONTEXT);

    private StepLoop start(StepLoopOptions options) {
        return StepLoop.start(executor, Set.of(END), () -> StepLoopTest::text, options);
    }

    /// Token 2 has no text, the others one to three letters.
    static String text(int id) {
        return id == END ? "" : "abcdefgh".substring(id % 6, id % 6 + 1 + id % 3);
    }

    private static GenerationRequest request(int[] prompt, int maxTokens) {
        return new GenerationRequest(
                "g",
                prompt,
                new int[0],
                new SamplingParameters(0.9, 0, 0.95, 0, 1, 0, 0, 7),
                maxTokens,
                List.of(),
                -1,
                0,
                false);
    }

    private LoneRun.Result alone(GenerationRequest request, int longestShortText) {
        return new LoneRun(executor, END, StepLoopTest::text).of(request, longestShortText);
    }

    @Test
    void anyMixGivesTheTokensOfALoneRun() throws Exception {
        Random random = new Random(17);
        int mostNeighbours = 0;
        for (int round = 0; round < 60; round++) {
            int bound = random.nextBoolean() ? NO_BOUND : 1 + random.nextInt(60);
            int pages = CONTEXT / HashExecutor.PAGE + random.nextInt(50);
            executor = new HashExecutor(VOCABULARY, CONTEXT, bound, pages);
            int sequences = 1 + random.nextInt(5);
            StepLoopOptions options =
                    new StepLoopOptions(
                            sequences,
                            sequences + random.nextInt(20),
                            1 + random.nextInt(8),
                            random.nextInt(4));
            List<GenerationRequest> requests = new ArrayList<>();
            List<LoneRun.Result> expected = new ArrayList<>();
            List<Recorder> recorders = new ArrayList<>();
            while (requests.size() < 12) {
                GenerationRequest whole = randomRequest(random);
                LoneRun.Result result = alone(whole, bound);
                // Some go on after tokens that an earlier run has made.
                int done = random.nextBoolean() ? 0 : random.nextInt(result.tokens().size() + 1);
                requests.add(resumed(whole, result.tokens().subList(0, done)));
                recorders.add(new Recorder(done, count -> {}));
                expected.add(
                        new LoneRun.Result(
                                result.tokens().subList(done, result.tokens().size()),
                                result.reason(),
                                result.stop()));
            }
            try (StepLoop loop = start(options)) {
                for (int i = 0; i < requests.size(); i++) {
                    loop.submit(requests.get(i), recorders.get(i));
                    if (random.nextInt(3) == 0) {
                        recorders.get(random.nextInt(i + 1)).await();
                    }
                }
                for (int i = 0; i < requests.size(); i++) {
                    Recorder.Result result = recorders.get(i).await();
                    assertThat(result.tokens()).isEqualTo(expected.get(i).tokens());
                    assertThat(result.finish().reason()).isEqualTo(expected.get(i).reason());
                    assertThat(result.finish().stopSequence()).isEqualTo(expected.get(i).stop());
                    assertThat(result.finish().statistics().completionTokens())
                            .isEqualTo(requests.get(i).doneIds().length + result.tokens().size());
                }
            }
            assertThat(executor.sequencesOpen()).isZero();
            assertThat(executor.mostNeighbours()).isLessThanOrEqualTo(sequences);
            mostNeighbours = Math.max(mostNeighbours, executor.mostNeighbours());
        }
        assertThat(mostNeighbours).isGreaterThan(2);
    }

    private static GenerationRequest randomRequest(Random random) {
        return randomRequest(random, VOCABULARY);
    }

    /// @param vocabulary above [HashExecutor#POISON]
    static GenerationRequest randomRequest(Random random, int vocabulary) {
        int[] prompt =
                random.ints(1 + random.nextInt(40), HashExecutor.POISON + 1, vocabulary).toArray();
        SamplingParameters sampling =
                switch (random.nextInt(4)) {
                    case 0 -> SamplingParameters.greedy();
                    case 1 -> new SamplingParameters(0.8, 5, 0.9, 0, 1, 0, 0, random.nextLong());
                    case 2 ->
                            new SamplingParameters(
                                    1.3, 0, 1, 0.05, 1.2, 0.5, 0.1, random.nextLong());
                    default -> new SamplingParameters(2, 0, 1, 0, 1, 0, 0, random.nextLong());
                };
        return new GenerationRequest(
                "g",
                prompt,
                new int[0],
                sampling,
                1 + random.nextInt(60),
                random.nextBoolean() ? List.of() : List.of("fab", "cc", "gha"),
                random.nextInt(4) - 1,
                random.nextInt(3),
                random.nextInt(6) == 0);
    }

    static GenerationRequest resumed(GenerationRequest r, List<Integer> done) {
        return new GenerationRequest(
                r.id(),
                r.promptIds(),
                done.stream().mapToInt(Integer::intValue).toArray(),
                r.sampling(),
                r.maxTokens(),
                r.stop(),
                r.alternatives(),
                r.priority(),
                r.alone());
    }

    private static int[] prompt(int length) {
        return IntStream.range(0, length).map(i -> 20 + i % 40).toArray();
    }

    @Test
    void aLongPromptDoesNotStallOthers() throws Exception {
        // Both wait in the listener of a first generation until they are in the loop together.
        List<Integer> stepsAtToken = new ArrayList<>();
        CountDownLatch decoding = new CountDownLatch(1);
        CountDownLatch submitted = new CountDownLatch(1);
        Recorder talker =
                new Recorder(
                        0,
                        count -> {
                            stepsAtToken.add(executor.steps());
                            decoding.countDown();
                            awaitQuietly(submitted);
                        });
        try (StepLoop loop =
                StepLoop.start(executor, Set.of(), () -> null, OPTIONS, executor::nanos)) {
            loop.submit(request(prompt(4), 100), talker);
            decoding.await();
            Recorder reader = new Recorder();
            loop.submit(request(prompt(100), 3), reader);
            submitted.countDown();
            int tokens = talker.await().tokens().size();
            reader.await().finish();
            // one token in each step, and never more than a chunk beside it
            assertThat(stepsAtToken.getLast() - stepsAtToken.getFirst()).isEqualTo(tokens - 1);
            assertThat(executor.largestBatch()).isLessThanOrEqualTo(1 + OPTIONS.maxPrefillChunk());
        }
    }

    /// The executor's own time: 21 µs for a token alone, so that 21 prompt tokens fit beside it.
    @Test
    void aLongPromptHardlySlowsOthersDown() throws Exception {
        List<Long> times = new ArrayList<>();
        CountDownLatch decoding = new CountDownLatch(1);
        CountDownLatch submitted = new CountDownLatch(1);
        Recorder talker =
                new Recorder(
                        0,
                        count -> {
                            times.add(executor.nanos());
                            decoding.countDown();
                            awaitQuietly(submitted);
                        });
        // One after the other.
        StepLoopOptions options = new StepLoopOptions(2, 64, 48);
        try (StepLoop loop =
                StepLoop.start(executor, Set.of(), () -> null, options, executor::nanos)) {
            loop.submit(request(prompt(4), 100), talker);
            decoding.await();
            List<Recorder> readers = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                readers.add(new Recorder());
                loop.submit(request(prompt(100), 1), readers.getLast());
            }
            submitted.countDown();
            talker.await().finish();
            for (Recorder reader : readers) {
                reader.await().finish();
            }
        }
        List<Long> gaps =
                IntStream.range(1, times.size())
                        .mapToObj(i -> times.get(i) - times.get(i - 1))
                        .toList();
        assertThat(gaps).allMatch(gap -> gap <= 42_000 + 5_000);
        assertThat(gaps).anyMatch(gap -> gap > 35_000);
    }

    @Test
    void promptsThatArriveTogetherAreReadTogether() throws Exception {
        CountDownLatch decoding = new CountDownLatch(1);
        CountDownLatch submitted = new CountDownLatch(1);
        Recorder talker =
                new Recorder(
                        0,
                        count -> {
                            decoding.countDown();
                            awaitQuietly(submitted);
                        });
        List<Integer> firstTokens = new ArrayList<>();
        // A piece of three tokens for six readers: they take turns.
        StepLoopOptions options = new StepLoopOptions(8, 16, 3);
        try (StepLoop loop =
                StepLoop.start(executor, Set.of(), () -> null, options, executor::nanos)) {
            loop.submit(request(prompt(4), 100), talker);
            decoding.await();
            List<Recorder> readers = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                readers.add(new Recorder(0, count -> firstTokens.add(executor.steps())));
                loop.submit(request(prompt(40), 1), readers.getLast());
            }
            submitted.countDown();
            for (Recorder reader : readers) {
                reader.await().finish();
            }
            talker.await().finish();
        }
        // All take 80 steps; the first and the last are one round of turns apart.
        assertThat(firstTokens.getFirst()).isGreaterThan(75);
        assertThat(firstTokens.getLast() - firstTokens.getFirst()).isLessThanOrEqualTo(3);
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @Test
    void higherPriorityGoesFirstAndEqualsInOrder() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch submitted = new CountDownLatch(1);
        List<String> order = new ArrayList<>();
        try (StepLoop loop = start(new StepLoopOptions(1, 8, 8))) {
            Recorder first =
                    new Recorder(
                            0,
                            count -> {
                                running.countDown();
                                awaitQuietly(submitted);
                            });
            loop.submit(request(prompt(3), 1), first);
            running.await();
            List<Recorder> others = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                String name = "p" + i % 3 + "n" + i;
                Recorder recorder = new Recorder(0, count -> order.add(name));
                others.add(recorder);
                GenerationRequest r = request(prompt(3), 1);
                loop.submit(
                        new GenerationRequest(
                                name,
                                r.promptIds(),
                                r.doneIds(),
                                r.sampling(),
                                1,
                                List.of(),
                                -1,
                                i % 3,
                                false),
                        recorder);
            }
            assertThat(loop.queued()).isGreaterThanOrEqualTo(6);
            submitted.countDown();
            for (Recorder recorder : others) {
                recorder.await().finish();
            }
        }
        assertThat(order).containsExactly("p2n2", "p2n5", "p1n1", "p1n4", "p0n0", "p0n3");
    }

    @Test
    void aPriorityOvertakesSoManyAndNoMore() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch submitted = new CountDownLatch(1);
        List<Integer> order = new ArrayList<>();
        try (StepLoop loop = start(new StepLoopOptions(1, 8, 8))) {
            Recorder first =
                    new Recorder(
                            0,
                            count -> {
                                running.countDown();
                                awaitQuietly(submitted);
                            });
            loop.submit(request(prompt(3), 1), first);
            running.await();
            List<Recorder> others = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                int priority = i == 0 ? 0 : 1;
                Recorder recorder = new Recorder(0, count -> order.add(priority));
                others.add(recorder);
                GenerationRequest r = request(prompt(3), 1);
                loop.submit(
                        new GenerationRequest(
                                "g" + i,
                                r.promptIds(),
                                r.doneIds(),
                                r.sampling(),
                                1,
                                List.of(),
                                -1,
                                priority,
                                false),
                        recorder);
            }
            submitted.countDown();
            for (Recorder recorder : others) {
                recorder.await().finish();
            }
        }
        assertThat(order.indexOf(0)).isEqualTo(GenerationRequest.PLACES);
    }

    @Test
    void keepsWithinTheBudget() throws Exception {
        executor = new HashExecutor(VOCABULARY, CONTEXT, CONTEXT, 10);
        try (StepLoop loop = start(new StepLoopOptions(8, 16, 16))) {
            List<Recorder> recorders = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                recorders.add(new Recorder());
                loop.submit(request(prompt(10), 8), recorders.getLast());
            }
            for (Recorder recorder : recorders) {
                recorder.await().finish();
            }
            Recorder large = new Recorder();
            loop.submit(request(prompt(10), 50), large);
            assertThat(large.await().end())
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e ->
                                    assertThat(e)
                                            .hasMessage(
                                                    "prompt and max_tokens take 60 tokens of KV"
                                                            + " cache, 600 bytes;"
                                                            + " tokenlog.kv.budget allows 40"
                                                            + " tokens, 400 bytes")
                                            .extracting(EngineException::reason)
                                            .isEqualTo(EngineException.Reason.CONTEXT_TOO_LONG));
            assertThat(loop.statistics().kv().held()).isZero();
        }
        assertThat(executor.mostPages()).isBetween(8, 10);
    }

    @Test
    void whoIsSuspectedRunsAlone() throws Exception {
        GenerationRequest r = request(prompt(5), 10);
        GenerationRequest suspected =
                new GenerationRequest(
                        "s", r.promptIds(), r.doneIds(), r.sampling(), 10, List.of(), -1, 0, true);
        try (StepLoop loop = start(OPTIONS)) {
            List<Recorder> recorders = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                recorders.add(new Recorder());
                loop.submit(suspected, recorders.getLast());
            }
            for (Recorder recorder : recorders) {
                recorder.await().finish();
            }
        }
        assertThat(executor.mostNeighbours()).isEqualTo(1);
    }

    @Test
    void theEndOfAStepIsToldAfterTheTokensOfAll() throws Exception {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch ended = new CountDownLatch(2);
        CountDownLatch submitted = new CountDownLatch(1);
        try (StepLoop loop =
                StepLoop.start(executor, Set.of(), () -> null, OPTIONS.withDrafts(0), () -> 0)) {
            for (String name : List.of("a", "b")) {
                loop.submit(
                        request(prompt(4), name.equals("a") ? 6 : 4),
                        new GenerationListener() {
                            @Override
                            public void onToken(int i, int id, TokenLogProbability logprob) {
                                awaitQuietly(submitted);
                                told.add(name + i);
                            }

                            @Override
                            public void onStepEnd() {
                                told.add("|" + name);
                            }

                            @Override
                            public void onFinished(Finish finish) {
                                told.add(name + "!");
                                ended.countDown();
                            }

                            @Override
                            public void onFailed(Exception failure) {
                                told.add(failure.toString());
                            }

                            @Override
                            public void onStopped() {}
                        });
            }
            submitted.countDown();
            ended.await();
        }
        String all = String.join(" ", told);
        // One alone, then its token and the other's before either is told of the step's end.
        assertThat(all).matches("(a\\d \\|a (\\|b )?)*(a\\d b\\d \\|a \\|b )+.*");
        assertThat(all).contains("a5 a!").contains("b3 b!");
    }

    @Test
    void stopsFromAnyThreadInLoopAndQueue() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        try (StepLoop loop = start(new StepLoopOptions(1, 8, 8))) {
            Recorder first =
                    new Recorder(
                            0,
                            count -> {
                                running.countDown();
                                awaitQuietly(stopped);
                            });
            Recorder queued = new Recorder();
            GenerationHandle firstHandle = loop.submit(request(prompt(3), 100), first);
            GenerationHandle queuedHandle = loop.submit(request(prompt(3), 100), queued);
            running.await();
            assertThat(loop.active()).isEqualTo(1);
            firstHandle.stop();
            queuedHandle.stop();
            queuedHandle.stop();
            stopped.countDown();
            assertThat(first.await().end()).isNull();
            assertThat(first.await().tokens()).hasSize(1);
            assertThat(queued.await().end()).isNull();
            assertThat(queued.await().tokens()).isEmpty();
            Recorder after = new Recorder();
            loop.submit(request(prompt(3), 2), after);
            after.await().finish();
            firstHandle.stop(); // too late: nothing more is told
        }
        assertThat(executor.sequencesOpen()).isZero();
    }

    @Test
    void nonFiniteNumbersFailTheirGenerationAlone() throws Exception {
        try (StepLoop loop = start(OPTIONS)) {
            Recorder good = new Recorder();
            Recorder bad = new Recorder();
            GenerationRequest neighbour = request(prompt(20), 12);
            loop.submit(neighbour, good);
            loop.submit(request(new int[] {30, HashExecutor.POISON, 31}, 5), bad);
            assertThat(good.await().tokens()).isEqualTo(alone(neighbour, NO_BOUND).tokens());
            assertThat(bad.await().end())
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e ->
                                    assertThat(e.reason())
                                            .isEqualTo(EngineException.Reason.NON_FINITE));
            assertThat(bad.await().tokens()).isEmpty();
        }
    }

    @Test
    void aListenerThatThrowsFailsItsGenerationAlone() throws Exception {
        try (StepLoop loop = start(OPTIONS)) {
            Recorder good = new Recorder();
            Recorder bad =
                    new Recorder(
                            0,
                            count -> {
                                if (count == 3) {
                                    throw new UnsupportedOperationException("no more");
                                }
                            });
            GenerationRequest neighbour = request(prompt(20), 12);
            loop.submit(neighbour, good);
            loop.submit(request(prompt(5), 30), bad);
            assertThat(good.await().tokens()).isEqualTo(alone(neighbour, NO_BOUND).tokens());
            assertThat(bad.await().end()).isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void anExecutorThatBreaksFailsWhoIsInTheStep() throws Exception {
        executor.failAtStep(2);
        try (StepLoop loop = start(OPTIONS)) {
            Recorder first = new Recorder();
            loop.submit(request(prompt(30), 12), first);
            assertThat(first.await().end())
                    .isInstanceOfSatisfying(
                            IllegalStateException.class,
                            e -> assertThat(e).hasMessage("the executor broke"));
            Recorder next = new Recorder();
            loop.submit(request(prompt(5), 5), next);
            next.await().finish();
        }
        assertThat(executor.sequencesOpen()).isZero();
    }

    @Test
    void refusesByTheListener() throws Exception {
        try (StepLoop loop = start(OPTIONS)) {
            checkRefused(
                    loop,
                    request(prompt(CONTEXT), 5),
                    EngineException.Reason.CONTEXT_TOO_LONG,
                    "context of 128");
            checkRefused(
                    loop,
                    request(new int[0], 5),
                    EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                    "prompt");
            checkRefused(
                    loop,
                    request(new int[] {VOCABULARY}, 5),
                    EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                    "token id 64");
            checkRefused(
                    loop,
                    request(prompt(3), 0),
                    EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                    "max_tokens");
        }
    }

    private static void checkRefused(
            StepLoop loop, GenerationRequest request, EngineException.Reason reason, String message)
            throws Exception {
        Recorder recorder = new Recorder();
        loop.submit(request, recorder);
        assertThat(recorder.await().end())
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> {
                            assertThat(e.reason()).isEqualTo(reason);
                            assertThat(e).hasMessageContaining(message);
                        });
    }

    @Test
    void fillsTheContextToItsEnd() throws Exception {
        GenerationRequest r =
                new GenerationRequest(
                        "g",
                        prompt(CONTEXT - 1),
                        new int[0],
                        SamplingParameters.greedy(),
                        1000,
                        List.of(),
                        2,
                        0,
                        false);
        try (StepLoop loop = start(OPTIONS)) {
            Recorder recorder = new Recorder();
            loop.submit(r, recorder);
            Recorder.Result result = recorder.await();
            Finish finish = result.finish();
            assertThat(result.tokens()).hasSize(1);
            assertThat(finish.reason()).isEqualTo(Reason.LENGTH);
            assertThat(result.logprobs().getFirst().alternativeIds()).hasSize(2);
            assertThat(result.logprobs().getFirst().alternativeIds()[0])
                    .isEqualTo(result.tokens().getFirst());
            assertThat(finish.statistics().promptTokens()).isEqualTo(CONTEXT - 1);
            assertThat(finish.statistics().prefillNanos()).isPositive();
        }
    }

    @Test
    void closingStopsEverything() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        StepLoop loop = start(new StepLoopOptions(1, 8, 8));
        Recorder first = new Recorder(0, count -> running.countDown());
        Recorder queued = new Recorder();
        GenerationRequest endless =
                new GenerationRequest(
                        "g",
                        prompt(3),
                        new int[0],
                        SamplingParameters.greedy(),
                        120,
                        List.of(),
                        -1,
                        0,
                        false);
        loop.submit(endless, first);
        loop.submit(endless, queued);
        running.await();
        loop.close();
        assertThat(first.await().tokens()).isNotEmpty();
        queued.await();
        assertThatIllegalStateException().isThrownBy(() -> loop.submit(endless, new Recorder()));
        assertThat(executor.sequencesOpen()).isZero();
        loop.close();
    }
}
