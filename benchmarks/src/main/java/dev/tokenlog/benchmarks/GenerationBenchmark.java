package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.WarmUp;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// Whole generations without Kafka, with sampling and text: tokens per second from the first token
/// to the last, for several numbers of them side by side. Without sampling: `./tokenlog bench`.
///
/// `GenerationBenchmark --model FOLDER [--recipe int4] [--prompt 256] [--decode 64] [--batch 1,4,8]
/// [--compute auto] [--threads 2] [--rounds 5]`
///
/// The folder has a tokenizer; it is a source or an artifact. With a recipe, a source is converted
/// first, to a temporary folder.
public final class GenerationBenchmark {

    private static final int CHUNK = 64;

    private final Executor executor;
    private final int prompt;
    private final int decode;
    private final int rounds;

    private GenerationBenchmark(Executor executor, Map<String, String> options) {
        this.executor = executor;
        this.prompt = Integer.parseInt(options.getOrDefault("prompt", "256"));
        this.decode = Integer.parseInt(options.getOrDefault("decode", "64"));
        this.rounds = Integer.parseInt(options.getOrDefault("rounds", "5"));
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        try (Model model = BenchmarkModels.open(options);
                Executor executor = BenchmarkModels.executor(model, options)) {
            GenerationBenchmark benchmark = new GenerationBenchmark(executor, options);
            String[] batches = options.getOrDefault("batch", "1,4,8").split(",");
            Duration warmUp = WarmUp.run(executor, Duration.ofSeconds(20));
            System.out.printf("warm-up of the compilers: %d ms%n", warmUp.toMillis());
            try (ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
                for (String batch : batches) {
                    benchmark.generate(tokenizer, Integer.parseInt(batch));
                }
            }
        }
    }

    /// Generations side by side at temperature 0.8, from their first token to the last.
    private void generate(ModelTokenizer tokenizer, int sequences) {
        StepLoopOptions options = new StepLoopOptions(sequences, Math.max(CHUNK, sequences), CHUNK);
        double[] rates = new double[rounds];
        try (StepLoop loop = StepLoop.start(executor, tokenizer, options)) {
            for (int round = -2; round < rounds; round++) {
                List<TimedGeneration> all = new ArrayList<>();
                for (int i = 0; i < sequences; i++) {
                    TimedGeneration generation = new TimedGeneration(new CompletableFuture<>());
                    all.add(generation);
                    loop.submit(request(round, i), generation);
                }
                double rate = 0;
                for (TimedGeneration generation : all) {
                    GenerationListener.Statistics statistics = generation.end().join();
                    rate += statistics.completionTokens() / (statistics.decodeNanos() / 1e9);
                }
                if (round >= 0) {
                    rates[round] = rate;
                }
            }
        }
        print("generate with sampling, batch " + sequences, rates);
    }

    private GenerationRequest request(int round, int index) {
        int[] ids = new int[prompt];
        Arrays.setAll(ids, this::token);
        SamplingParameters sampling =
                new SamplingParameters(0.8, 40, 0.95, 0, 1, 0, 0, 31L * round + index);
        return new GenerationRequest(
                "benchmark", ids, new int[0], sampling, decode, List.of(), -1, 0, false);
    }

    private record TimedGeneration(CompletableFuture<GenerationListener.Statistics> end)
            implements GenerationListener {

        @Override
        public void onToken(int index, int tokenId, TokenLogProbability logprob) {}

        @Override
        public void onFinished(Finish finish) {
            end.complete(finish.statistics());
        }

        @Override
        public void onFailed(Exception failure) {
            end.completeExceptionally(failure);
        }

        @Override
        public void onStopped() {
            end.cancel(false);
        }
    }

    private int token(int index) {
        return index * 7919 % executor.plan().vocabularySize();
    }

    /// Rounds before the first are for the compilers.
    private static void record(double[] rates, int round, int tokens, long nanos) {
        if (round >= 0) {
            rates[round] = tokens / (nanos / 1e9);
        }
    }

    private static void print(String what, double[] rates) {
        Arrays.sort(rates);
        System.out.printf(
                Locale.ROOT,
                "%s: %.0f tokens/s (median of %d; %.0f to %.0f)%n",
                what,
                rates[rates.length / 2],
                rates.length,
                rates[0],
                rates[rates.length - 1]);
    }
}
