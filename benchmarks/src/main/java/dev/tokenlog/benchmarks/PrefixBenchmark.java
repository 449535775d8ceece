package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.LoopStatistics;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.WarmUp;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// First-token time of a chat whose turns grow: each turn's prompt is the one before, the answer,
/// and a new question. Every chat is new to the engine; its later turns begin with pages that are
/// known. The same prompts without such pages are the first turns of other chats, in turns.
///
/// `PrefixBenchmark --model FOLDER [--recipe int4] [--prompt 256] [--question 24] [--answer 16]
/// [--turns 4] [--rounds 5] [--compute auto] [--threads 2]`
public final class PrefixBenchmark {

    private final StepLoop loop;
    private final int vocabulary;
    private final int answer;

    private PrefixBenchmark(StepLoop loop, int vocabulary, int answer) {
        this.loop = loop;
        this.vocabulary = vocabulary;
        this.answer = answer;
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        int prompt = BenchmarkModels.number(options, "prompt", 256);
        int question = BenchmarkModels.number(options, "question", 24);
        int answer = BenchmarkModels.number(options, "answer", 16);
        int turns = BenchmarkModels.number(options, "turns", 4);
        int rounds = BenchmarkModels.number(options, "rounds", 5);
        try (Model model = BenchmarkModels.open(options);
                CpuExecutor executor = BenchmarkModels.executor(model, options);
                ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
            WarmUp.run(executor, Duration.ofSeconds(10));
            try (StepLoop loop = StepLoop.start(executor, tokenizer, StepLoopOptions.standard())) {
                PrefixBenchmark benchmark =
                        new PrefixBenchmark(loop, executor.plan().vocabularySize(), answer);
                List<List<Double>> known = lists(turns);
                List<List<Double>> unknown = lists(turns);
                int[] lengths = new int[turns];
                for (int round = -1; round < rounds; round++) {
                    int[] text = benchmark.tokens(prompt, 2 * round);
                    for (int turn = 0; turn < turns; turn++) {
                        lengths[turn] = text.length;
                        int[] other = benchmark.tokens(text.length, 1000 + turns * round + turn);
                        Answer warm = benchmark.ask(text);
                        Answer cold = benchmark.ask(other);
                        if (round >= 0) {
                            known.get(turn).add(warm.prefillMillis());
                            unknown.get(turn).add(cold.prefillMillis());
                        }
                        text = join(text, warm.tokens());
                        text = join(text, benchmark.tokens(question, 77 * round + turn));
                    }
                }
                for (int turn = 0; turn < turns; turn++) {
                    System.out.printf(
                            Locale.ROOT,
                            "turn %d, prompt of %d: first token after %.1f ms, of an unknown text"
                                    + " %.1f ms%n",
                            turn + 1,
                            lengths[turn],
                            median(known.get(turn)),
                            median(unknown.get(turn)));
                }
                LoopStatistics statistics = loop.statistics();
                System.out.printf(
                        Locale.ROOT,
                        "%d tokens taken from %d known pages' texts, %d pages kept, %d evicted%n",
                        statistics.reusedTokens(),
                        statistics.reusedTokens() / statistics.kv().positions(),
                        statistics.kv().kept(),
                        statistics.kv().evicted());
            }
        }
    }

    private static List<List<Double>> lists(int count) {
        List<List<Double>> lists = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            lists.add(new ArrayList<>());
        }
        return lists;
    }

    private static double median(List<Double> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElse(Double.NaN);
    }

    private static int[] join(int[] a, int[] b) {
        int[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }

    private int[] tokens(int count, int seed) {
        return new java.util.Random(seed).ints(count, 3, vocabulary).toArray();
    }

    private record Answer(double prefillMillis, int[] tokens) {}

    private Answer ask(int[] prompt) {
        List<Integer> tokens = new ArrayList<>();
        CompletableFuture<Answer> end = new CompletableFuture<>();
        loop.submit(
                new GenerationRequest(
                        "turn",
                        prompt,
                        new int[0],
                        new SamplingParameters(1, 0, 1, 0, 1, 0, 0, prompt.length),
                        answer,
                        List.of(),
                        -1,
                        0,
                        false),
                new GenerationListener() {
                    @Override
                    public void onToken(int index, int token, TokenLogProbability logprob) {
                        tokens.add(token);
                    }

                    @Override
                    public void onFinished(Finish finish) {
                        end.complete(
                                new Answer(
                                        finish.statistics().prefillNanos() / 1e6,
                                        tokens.stream().mapToInt(i -> i).toArray()));
                    }

                    @Override
                    public void onFailed(Exception failure) {
                        end.completeExceptionally(failure);
                    }

                    @Override
                    public void onStopped() {
                        end.completeExceptionally(new IllegalStateException("stopped"));
                    }
                });
        return end.join();
    }
}
