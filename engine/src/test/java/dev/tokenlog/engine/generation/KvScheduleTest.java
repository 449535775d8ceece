package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.generation.GenerationListener.Reason;
import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.MemoryModel;
import dev.tokenlog.engine.transformer.RandomModel;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Random schedules over a KV cache that is too small for them: texts that begin alike, priorities,
/// cancellations, resumed generations, chunks and batches of any size. Every token and every log
/// probability is that of a lone run on the scalar kernels, whether its pages were computed,
/// shared, lost and computed again.
@Timeout(120)
class KvScheduleTest {

    private static final int VOCABULARY = RandomModel.VOCABULARY;
    private static final int CONTEXT = RandomModel.CONTEXT;
    private static final int END = 2;
    private static final int REQUESTS = 24;
    private static final int ALTERNATIVES = 3;

    /// Pages that the longest text takes.
    private static final int FEWEST_PAGES = Math.ceilDiv(CONTEXT, 32);

    private record Answer(List<Integer> tokens, List<TokenLogProbability> logprobs, Reason why) {}

    @ParameterizedTest
    @CsvSource({
        "usual, scalar, kv16",
        "usual, vector, kv16",
        "usual, vector, kv32",
        "usual, vector, kv8",
        "unusual, vector, kv16",
        "unusual, scalar, kv16",
        "mixture, vector, kv16"
    })
    void anyScheduleGivesTheAnswersOfLoneRuns(String kind, String compute, String kv)
            throws Exception {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        String what = "%s on %s with %s, seed %d".formatted(kind, compute, kv, seed);
        MemoryModel model = model(kind);
        KvType type = KvType.valueOf(kv.toUpperCase(java.util.Locale.ROOT));
        List<GenerationRequest> requests = new ArrayList<>();
        List<Answer> expected = new ArrayList<>();
        try (Executor scalar =
                CpuExecutor.open(model, new CpuOptions("scalar", 1, Optional.of(type)))) {
            List<int[]> beginnings = beginnings(random);
            for (int i = 0; i < REQUESTS; i++) {
                GenerationRequest request = request(random, beginnings);
                Answer whole = alone(scalar, request, END);
                int done = random.nextInt(3) > 0 ? 0 : random.nextInt(whole.tokens().size());
                requests.add(resumed(request, whole.tokens().subList(0, done)));
                expected.add(whole);
            }
        }
        long evictions = 0;
        long reused = 0;
        for (int round = 0; round < 5; round++) {
            LoopStatistics statistics =
                    run(
                            model,
                            type,
                            compute,
                            requests,
                            expected,
                            random,
                            what + ", round " + round);
            evictions += statistics.kv().evicted();
            reused += statistics.reusedTokens();
        }
        assertThat(evictions).describedAs(what).isPositive();
        assertThat(reused).describedAs(what).isPositive();
    }

    /// Four that begin in a page each and grow to six, where there are seven: whoever came later
    /// gives way, and gets the same answer in the end.
    @Test
    void whoRanksLastGivesWay() throws Exception {
        MemoryModel model = RandomModel.create();
        Random random = new Random(3);
        List<GenerationRequest> requests = new ArrayList<>();
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int[] prompt = random.ints(20, 0, VOCABULARY).toArray();
            SamplingParameters sampling = new SamplingParameters(1.5, 0, 1, 0, 1, 0, 0, i);
            requests.add(
                    new GenerationRequest(
                            "g" + i, prompt, new int[0], sampling, 160, List.of(), -1, 0, false));
        }
        CpuOptions options =
                new CpuOptions("vector", 2, Optional.empty())
                        .withKvBudget(FEWEST_PAGES * pageBytes(model, KvType.KV16));
        List<Integer> ended = Collections.synchronizedList(new ArrayList<>());
        try (Executor executor = CpuExecutor.open(model, options);
                StepLoop loop =
                        StepLoop.start(
                                executor,
                                Set.of(),
                                () -> Integer::toString,
                                new StepLoopOptions(4, 32, 16))) {
            for (int i = 0; i < 4; i++) {
                int which = i;
                recorders.add(
                        new Recorder(
                                0,
                                count -> {
                                    if (count == 160) {
                                        ended.add(which);
                                    }
                                }));
                loop.submit(requests.get(i), recorders.get(i));
            }
            List<List<Integer>> answers = new ArrayList<>();
            for (Recorder recorder : recorders) {
                answers.add(recorder.await().tokens());
            }
            assertThat(loop.statistics().preemptions()).isGreaterThanOrEqualTo(2);
            assertThat(loop.statistics().kv().held()).isZero();
            assertThat(ended.getFirst()).isZero();
            try (Executor scalar =
                    CpuExecutor.open(model, new CpuOptions("scalar", 1, Optional.empty()))) {
                for (int i = 0; i < 4; i++) {
                    assertThat(answers.get(i))
                            .isEqualTo(alone(scalar, requests.get(i), -1).tokens());
                }
            }
        }
    }

    private static LoopStatistics run(
            MemoryModel model,
            KvType type,
            String compute,
            List<GenerationRequest> requests,
            List<Answer> expected,
            Random random,
            String what)
            throws Exception {
        long pages = FEWEST_PAGES + (long) random.nextInt(FEWEST_PAGES);
        CpuOptions options =
                new CpuOptions(
                        compute,
                        1 + random.nextInt(3),
                        Optional.of(type),
                        1 + random.nextInt(40),
                        pages * pageBytes(model, type));
        int sequences = 2 + random.nextInt(6);
        StepLoopOptions bounds =
                new StepLoopOptions(
                        sequences, sequences + random.nextInt(80), 1 + random.nextInt(60));
        try (Executor executor = CpuExecutor.open(model, options);
                StepLoop loop =
                        StepLoop.start(executor, Set.of(END), () -> Integer::toString, bounds)) {
            List<Recorder> recorders = new ArrayList<>();
            List<Integer> cancelled = new ArrayList<>();
            for (int i = 0; i < requests.size(); i++) {
                int cancelAt = random.nextInt(5) == 0 ? random.nextInt(20) : Integer.MAX_VALUE;
                cancelled.add(cancelAt);
                GenerationHandle[] handle = new GenerationHandle[1];
                Recorder recorder =
                        new Recorder(
                                requests.get(i).doneIds().length,
                                count -> {
                                    if (count >= cancelAt && handle[0] != null) {
                                        handle[0].stop();
                                    }
                                });
                recorders.add(recorder);
                handle[0] = loop.submit(requests.get(i), recorder);
                if (random.nextInt(4) == 0) {
                    recorders.get(random.nextInt(i + 1)).await();
                }
            }
            for (int i = 0; i < requests.size(); i++) {
                Recorder.Result result = recorders.get(i).await();
                check(
                        result,
                        expected.get(i),
                        requests.get(i).doneIds().length,
                        cancelled.get(i),
                        what + ", request " + i);
            }
            LoopStatistics statistics = loop.statistics();
            assertThat(statistics.kv().limit()).isEqualTo(pages);
            return statistics;
        }
    }

    private static void check(
            Recorder.Result result, Answer expected, int done, int cancelAt, String what) {
        int end = expected.tokens().size();
        if (result.end() == null) {
            assertThat(cancelAt).describedAs(what).isLessThan(Integer.MAX_VALUE);
            end = done + result.tokens().size();
        } else {
            assertThat(result.finish().reason()).describedAs(what).isEqualTo(expected.why());
        }
        assertThat(result.tokens())
                .describedAs(what)
                .isEqualTo(expected.tokens().subList(done, end));
        for (int i = done; i < end; i++) {
            TokenLogProbability actual = result.logprobs().get(i - done);
            TokenLogProbability wanted = expected.logprobs().get(i);
            assertThat(actual.logprob()).describedAs(what).isEqualTo(wanted.logprob());
            assertThat(actual.alternativeIds())
                    .describedAs(what)
                    .isEqualTo(wanted.alternativeIds());
            assertThat(actual.alternativeLogprobs())
                    .describedAs(what)
                    .isEqualTo(wanted.alternativeLogprobs());
        }
    }

    private static long pageBytes(MemoryModel model, KvType type) {
        CpuOptions options = new CpuOptions("scalar", 1, Optional.of(type));
        try (Executor executor = CpuExecutor.open(model, options)) {
            return executor.kvPages().pageBytes();
        }
    }

    /// Without a loop and without sharing: the text, one token at a time.
    private static Answer alone(Executor executor, GenerationRequest request, int end) {
        Sampler sampler = new Sampler(VOCABULARY);
        LogProbabilities logProbabilities = new LogProbabilities(VOCABULARY);
        SeenTokens seen = new SeenTokens(VOCABULARY);
        seen.prompt(request.promptIds());
        int[] text = Arrays.copyOf(request.promptIds(), CONTEXT);
        int length = request.promptIds().length;
        List<Integer> tokens = new ArrayList<>();
        List<TokenLogProbability> logprobs = new ArrayList<>();
        Batch batch = executor.newBatch(1, 1);
        try (Sequence sequence = executor.newSequence()) {
            while (true) {
                sequence.fit(length);
                sequence.reserve(length);
                for (int position = sequence.length(); position < length; position++) {
                    batch.clear();
                    batch.add(sequence, text[position], position, position == length - 1);
                    executor.step(batch);
                }
                float[] logits = batch.logits();
                int token = sampler.sample(logits, 0, request.sampling(), seen, tokens.size(), 0);
                logprobs.add(logProbabilities.of(logits, 0, token, ALTERNATIVES));
                tokens.add(token);
                seen.output(token);
                if (token == end) {
                    return new Answer(tokens, logprobs, Reason.STOP);
                }
                if (tokens.size() == request.maxTokens() || length + 1 == CONTEXT) {
                    return new Answer(tokens, logprobs, Reason.LENGTH);
                }
                text[length++] = token;
            }
        }
    }

    /// Texts that prompts begin with; some begin with others.
    private static List<int[]> beginnings(Random random) {
        List<int[]> beginnings = new ArrayList<>();
        beginnings.add(new int[0]);
        beginnings.add(random.ints(130, 0, VOCABULARY).toArray());
        beginnings.add(random.ints(100, 0, VOCABULARY).toArray());
        int[] forked = beginnings.get(1).clone();
        forked[70] = (forked[70] + 1) % VOCABULARY;
        beginnings.add(forked);
        return beginnings;
    }

    private static GenerationRequest request(Random random, List<int[]> beginnings) {
        int[] beginning = beginnings.get(random.nextInt(beginnings.size()));
        int shared = random.nextInt(beginning.length + 1);
        int[] own = random.ints(random.nextInt(40), 0, VOCABULARY).toArray();
        int[] prompt =
                IntStream.concat(
                                Arrays.stream(beginning, 0, shared),
                                IntStream.concat(Arrays.stream(own), IntStream.of(5)))
                        .toArray();
        SamplingParameters sampling =
                switch (random.nextInt(3)) {
                    case 0 -> SamplingParameters.greedy();
                    case 1 -> new SamplingParameters(0.8, 5, 0.9, 0, 1, 0, 0, random.nextLong());
                    default ->
                            new SamplingParameters(
                                    1.5, 0, 1, 0.05, 1.2, 0.5, 0.1, random.nextLong());
                };
        return new GenerationRequest(
                "g",
                prompt,
                new int[0],
                sampling,
                1 + random.nextInt(90),
                List.of(),
                ALTERNATIVES,
                random.nextInt(2),
                random.nextInt(12) == 0);
    }

    private static GenerationRequest resumed(GenerationRequest r, List<Integer> done) {
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

    private static MemoryModel model(String kind) {
        return switch (kind) {
            case "usual" -> RandomModel.create();
            case "mixture" -> RandomModel.create(true);
            case "unusual" -> RandomModel.createUnusual();
            default -> throw new IllegalArgumentException(kind);
        };
    }
}
