package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.Sequence;
import dev.tokenlog.engine.transformer.WarmUp;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// The engine alone: tokens per second of prompt processing and of decoding for several numbers of
/// sequences, first the executor without sampling, then whole generations with sampling and text.
///
/// `EngineBenchmark --model FOLDER [--recipe int4] [--prompt 256] [--decode 64] [--batch 1,4,8]
/// [--compute auto] [--threads 2] [--rounds 5]`
///
/// The folder is a source or an artifact; with a recipe, a source is converted first, to a
/// temporary folder.
public final class EngineBenchmark {

    private static final int CHUNK = 64;

    private final Executor executor;
    private final int prompt;
    private final int decode;
    private final int rounds;

    private EngineBenchmark(Executor executor, Map<String, String> options) {
        this.executor = executor;
        this.prompt = Integer.parseInt(options.getOrDefault("prompt", "256"));
        this.decode = Integer.parseInt(options.getOrDefault("decode", "64"));
        this.rounds = Integer.parseInt(options.getOrDefault("rounds", "5"));
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        try (Model model = BenchmarkModels.open(options);
                Executor executor = BenchmarkModels.executor(model, options)) {
            EngineBenchmark benchmark = new EngineBenchmark(executor, options);
            String[] batches = options.getOrDefault("batch", "1,4,8").split(",");
            Duration warmUp = WarmUp.run(executor, Duration.ofSeconds(20));
            System.out.printf("warm-up of the compilers: %d ms%n", warmUp.toMillis());
            benchmark.prompt();
            for (String batch : batches) {
                benchmark.decode(Integer.parseInt(batch));
            }
            if (model.file("tokenizer.json").isPresent()) {
                try (ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
                    for (String batch : batches) {
                        benchmark.generate(tokenizer, Integer.parseInt(batch));
                    }
                }
            }
        }
    }

    private void prompt() {
        double[] rates = new double[rounds];
        for (int round = -2; round < rounds; round++) {
            try (Sequence sequence = executor.newSequence()) {
                sequence.fit(prompt);
                sequence.reserve(prompt);
                Batch batch = executor.newBatch(CHUNK, 1);
                long begin = System.nanoTime();
                prefill(batch, sequence);
                record(rates, round, prompt, System.nanoTime() - begin);
            }
        }
        print("prompt of " + prompt + " tokens", rates);
    }

    private void decode(int sequences) {
        double[] rates = new double[rounds];
        List<Sequence> all = new ArrayList<>();
        Batch batch = executor.newBatch(CHUNK, sequences);
        for (int i = 0; i < sequences; i++) {
            all.add(executor.newSequence());
            all.getLast().fit(prompt + decode);
            all.getLast().reserve(prompt + decode);
            prefill(batch, all.getLast());
        }
        for (int round = -2; round < rounds; round++) {
            all.forEach(sequence -> sequence.truncate(prompt));
            long begin = System.nanoTime();
            for (int i = 0; i < decode; i++) {
                batch.clear();
                for (Sequence sequence : all) {
                    batch.add(sequence, token(i), prompt + i, true);
                }
                executor.step(batch);
            }
            record(rates, round, decode * sequences, System.nanoTime() - begin);
        }
        all.forEach(Sequence::close);
        print("decode after " + prompt + " tokens, batch " + sequences, rates);
    }

    /// Generations side by side at temperature 0.8, from their first token to the last.
    private void generate(ModelTokenizer tokenizer, int sequences) {
        StepLoopOptions options =
                new StepLoopOptions(sequences, Math.max(CHUNK, sequences), CHUNK, 1 << 20);
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

    private void prefill(Batch batch, Sequence sequence) {
        for (int from = 0; from < prompt; from += CHUNK) {
            int to = Math.min(from + CHUNK, prompt);
            batch.clear();
            for (int i = from; i < to; i++) {
                batch.add(sequence, token(i), i, i == prompt - 1);
            }
            executor.step(batch);
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
