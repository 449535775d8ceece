package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
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

/// What guessing tokens gains where a text repeats itself, and what it costs where it does not:
/// generations with and without it, in turns, from their first token to their last.
///
/// `SpeculationBenchmark --model FOLDER [--recipe int4] [--tokens 128] [--batch 1,4] [--rounds 5]
/// [--compute auto] [--threads 2]`
///
/// "repeating" is greedy, and greedy answers of small models, or of any model to made-up tokens,
/// run into circles; "random" is at temperature 2, where nothing repeats.
public final class SpeculationBenchmark {

    private static final int PROMPT = 64;
    private static final int PERIOD = 16;

    private final int tokens;
    private final int rounds;
    private final int vocabulary;
    private final double penalty;

    private SpeculationBenchmark(int vocabulary, Map<String, String> options) {
        this.vocabulary = vocabulary;
        this.tokens = BenchmarkModels.number(options, "tokens", 128);
        this.penalty = Double.parseDouble(options.getOrDefault("penalty", "1"));
        this.rounds = BenchmarkModels.number(options, "rounds", 5);
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        try (Model model = BenchmarkModels.open(options);
                CpuExecutor executor = BenchmarkModels.executor(model, options);
                ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
            WarmUp.run(executor, Duration.ofSeconds(4));
            // Two loops on one executor: one waits while the other works.
            StepLoopOptions loop = StepLoopOptions.standard();
            try (StepLoop plain = StepLoop.start(executor, tokenizer, loop.withDrafts(0));
                    StepLoop guessing = StepLoop.start(executor, tokenizer, loop)) {
                SpeculationBenchmark benchmark =
                        new SpeculationBenchmark(executor.plan().vocabularySize(), options);
                for (String batch : options.getOrDefault("batch", "1,4").split(",")) {
                    int sequences = Integer.parseInt(batch);
                    benchmark.compare(plain, guessing, "repeating", 0, sequences);
                    benchmark.compare(plain, guessing, "random", 2, sequences);
                }
            }
        }
    }

    private void compare(
            StepLoop plainLoop,
            StepLoop guessingLoop,
            String what,
            double temperature,
            int sequences) {
        Total plain = new Total();
        Total guessed = new Total();
        for (int round = -1; round < rounds; round++) {
            boolean first = round % 2 == 0;
            for (boolean guessing : new boolean[] {first, !first}) {
                StepLoop loop = guessing ? guessingLoop : plainLoop;
                Total total = guessing ? guessed : plain;
                total.add(generate(loop, temperature, sequences, round), round);
            }
        }
        System.out.printf(
                Locale.ROOT,
                "%s, batch %d: %.1f tokens/s a stream without, %.1f with guesses (%.3f ×); of %d tokens"
                        + " %.1f %% guessed, %.1f %% guessed right%n",
                what,
                sequences,
                plain.rate(),
                guessed.rate(),
                guessed.rate() / plain.rate(),
                guessed.tokens,
                100.0 * guessed.drafted / guessed.tokens,
                100.0 * guessed.accepted / guessed.tokens);
    }

    /// Sums over rounds; those before the first are for the compilers.
    private static final class Total {
        private double nanos;
        private long behindFirst;
        private long tokens;
        private long drafted;
        private long accepted;

        void add(List<GenerationListener.Statistics> all, int round) {
            if (round < 0) {
                return;
            }
            for (GenerationListener.Statistics s : all) {
                nanos += s.decodeNanos();
                behindFirst += s.completionTokens() - 1;
                tokens += s.completionTokens();
                drafted += s.draftedTokens();
                accepted += s.acceptedTokens();
            }
        }

        double rate() {
            return behindFirst / (nanos / 1e9);
        }
    }

    private List<GenerationListener.Statistics> generate(
            StepLoop loop, double temperature, int sequences, int round) {
        List<CompletableFuture<GenerationListener.Statistics>> all = new ArrayList<>();
        for (int i = 0; i < sequences; i++) {
            CompletableFuture<GenerationListener.Statistics> end = new CompletableFuture<>();
            all.add(end);
            loop.submit(request(temperature, 31 * (round + 2) + i), new Ended(end));
        }
        return all.stream().map(CompletableFuture::join).toList();
    }

    private GenerationRequest request(double temperature, int seed) {
        int[] ids = new int[PROMPT];
        boolean repeating = temperature == 0;
        Arrays.setAll(
                ids, i -> ((repeating ? i % PERIOD : i) + 20 + 17 * seed) * 7919 % vocabulary);
        return new GenerationRequest(
                "speculation",
                ids,
                new int[0],
                new SamplingParameters(temperature, 0, 1, 0, repeating ? penalty : 1, 0, 0, seed),
                tokens,
                List.of(),
                -1,
                0,
                false);
    }

    private record Ended(CompletableFuture<GenerationListener.Statistics> end)
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
}
