package dev.tokenlog.benchmarks;

import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.WarmUp;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What the log costs: the same generations by the engine alone, in this process, and through a
/// worker process, an embedded broker and the client library, in turns. Tokens per second of all
/// together, from the moment when each has its first token to the first end of one.
///
/// `LogCost --model ARTIFACT [--batch 8] [--tokens 256] [--rounds 3] [--threads 2] [--drafts 0]
/// [--warm ARTIFACT] [--warm-rounds 1] [--worker
/// inference-processor/target/quarkus-app/quarkus-run.jar] [--set key=value,…]`
///
/// With `--warm`, a small model answers prompts through the log first, until worker, broker and
/// client have been compiled: what they take when new is no steady state. Rounds of the model
/// itself that are not counted follow (`--warm-rounds`).
///
/// Beside the rates it prints the processor time of each process per 1,000 tokens: on a machine
/// that is busy otherwise, that says more. `--set` passes properties to the worker.
public final class LogCost {

    private static final Duration SILENCE = Duration.ofSeconds(60);
    private static final int CHUNK = 48;
    private static final int WARM_PROMPTS = 160;
    private static final int WARM_TOKENS = 200;

    private final Map<String, String> options;
    private final int batch;
    private final int tokens;
    private int round;

    private LogCost(Map<String, String> options) {
        this.options = options;
        this.batch = BenchmarkModels.number(options, "batch", 8);
        this.tokens = BenchmarkModels.number(options, "tokens", 256);
    }

    public static void main(String[] arguments) throws Exception {
        new LogCost(BenchmarkModels.options(arguments)).run();
    }

    private void run() throws Exception {
        Path data = Files.createTempDirectory("log-cost");
        try (Model model = BenchmarkModels.open(options);
                CpuExecutor executor = BenchmarkModels.executor(model, options);
                ModelTokenizer tokenizer = ModelTokenizer.open(model.folder());
                EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            WarmUp.run(executor, Duration.ofSeconds(4));
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                topics.create(TopicLayout.EMBEDDED);
            }
            BenchmarkWorker.serve(settings, "measured", model, executor.numericsId());
            if (options.containsKey("warm")) {
                try (Model small = BenchmarkModels.open(Map.of("model", options.get("warm")))) {
                    BenchmarkWorker.serve(settings, "warm", small, executor.numericsId());
                }
            }
            try (BenchmarkWorker worker =
                            BenchmarkWorker.start(
                                    options,
                                    kafka.bootstrapServers(),
                                    data,
                                    List.of("-Dtokenlog.inference.limits.drafts=" + drafts()));
                    StepLoop loop = StepLoop.start(executor, tokenizer, loopOptions());
                    TokenlogClient client = TokenlogClient.connect(settings, "")) {
                ProcessHandle broker = ProcessHandle.of(kafka.processId()).orElseThrow();
                compare(loop, tokenizer, client, worker.handle(), broker);
            }
        }
    }

    private StepLoopOptions loopOptions() {
        return new StepLoopOptions(16, 64, CHUNK, drafts());
    }

    /// None unless asked for: both sides would have to guess alike.
    private int drafts() {
        return BenchmarkModels.number(options, "drafts", 0);
    }

    private void compare(
            StepLoop loop,
            ModelTokenizer tokenizer,
            TokenlogClient client,
            ProcessHandle worker,
            ProcessHandle broker)
            throws InterruptedException {
        if (options.containsKey("warm")) {
            for (int i = 0; i < WARM_PROMPTS; i += batch) {
                round--;
                through(client, "warm", WARM_TOKENS, new Progress(batch));
            }
        }
        int rounds = BenchmarkModels.number(options, "rounds", 3);
        double[] ratios = new double[rounds];
        for (round = -BenchmarkModels.number(options, "warm-rounds", 1); round < rounds; round++) {
            Progress alone = new Progress(batch);
            Duration[] before = times(worker, broker);
            long begin = System.nanoTime();
            alone(loop, tokenizer, alone);
            Duration[] between = times(worker, broker);
            double seconds = (System.nanoTime() - begin) / 1e9;
            Progress logged = new Progress(batch);
            through(client, "measured", tokens, logged);
            Duration[] after = times(worker, broker);
            if (round >= 0) {
                ratios[round] = logged.rate() / alone.rate();
                System.out.printf(
                        Locale.ROOT,
                        "engine alone %.1f tokens/s (%d tokens), through the log %.1f (%d): %.3f;"
                                + " processor time per 1,000 tokens: engine alone %.0f ms;"
                                + " worker %.0f ms, broker %.0f ms, client %.0f ms; idle, a second:"
                                + " worker %.0f ms, broker %.0f ms%n",
                        alone.rate(),
                        alone.all(),
                        logged.rate(),
                        logged.all(),
                        ratios[round],
                        millis(before[0], between[0]) * 1000 / alone.all(),
                        millis(between[1], after[1]) * 1000 / logged.all(),
                        millis(between[2], after[2]) * 1000 / logged.all(),
                        millis(between[0], after[0]) * 1000 / logged.all(),
                        millis(before[1], between[1]) / seconds,
                        millis(before[2], between[2]) / seconds);
            }
        }
        Arrays.sort(ratios);
        System.out.printf(
                Locale.ROOT,
                "through the log / engine alone, batch %d: %.3f (median of %d; %.3f to %.3f)%n",
                batch,
                ratios[rounds / 2],
                rounds,
                ratios[0],
                ratios[rounds - 1]);
    }

    private static Duration[] times(ProcessHandle worker, ProcessHandle broker) {
        return new Duration[] {
            BenchmarkWorker.processorTime(ProcessHandle.current()),
            BenchmarkWorker.processorTime(worker),
            BenchmarkWorker.processorTime(broker)
        };
    }

    private static double millis(Duration from, Duration to) {
        return to.minus(from).toNanos() / 1e6;
    }

    private String prompt(int index) {
        return "Once upon a time, story " + round + " " + index;
    }

    private long seed(int index) {
        return 1000L * round + index + 5000;
    }

    private void alone(StepLoop loop, ModelTokenizer tokenizer, Progress progress)
            throws InterruptedException {
        for (int i = 0; i < batch; i++) {
            int index = i;
            GenerationRequest request =
                    new GenerationRequest(
                            "alone",
                            tokenizer.encode(prompt(i), true),
                            new int[0],
                            new SamplingParameters(0.8, 40, 1, 0, 1, 0, 0, seed(i)),
                            tokens,
                            List.of(),
                            -1,
                            0,
                            false);
            loop.submit(
                    request,
                    new GenerationListener() {
                        @Override
                        public void onToken(int at, int id, TokenLogProbability logprob) {
                            progress.made(index, 1);
                        }

                        @Override
                        public void onFinished(Finish finish) {
                            progress.ended(index);
                        }

                        @Override
                        public void onFailed(Exception failure) {
                            failure.printStackTrace();
                            progress.ended(index);
                        }

                        @Override
                        public void onStopped() {
                            progress.ended(index);
                        }
                    });
        }
        progress.await();
    }

    private void through(TokenlogClient client, String modelId, int most, Progress progress)
            throws InterruptedException {
        for (int i = 0; i < batch; i++) {
            int index = i;
            PromptSubmitted prompt =
                    PromptSubmitted.ofText(modelId, prompt(i))
                            .maxTokens(most)
                            .temperature(0.8)
                            .topK(40)
                            .seed(new UnsignedSeed(seed(i)))
                            .build();
            GenerationStream stream = client.generate(prompt);
            Thread.ofVirtual()
                    .start(() -> {
                        try (stream) {
                            stream.forEach(
                                    SILENCE,
                                    update -> {
                                        if (update instanceof GenerationUpdate.Tokens made) {
                                            progress.made(index, made.tokenIds().size());
                                        }
                                    });
                        } finally {
                            progress.ended(index);
                        }
                    });
        }
        progress.await();
    }

    /// When tokens came.
    private static final class Progress {

        private record Made(long nanos, int tokens) {}

        private final List<Made> made = new ArrayList<>();
        private final long[] firsts;
        private final long[] ends;
        private int running;

        Progress(int generations) {
            firsts = new long[generations];
            ends = new long[generations];
            running = generations;
        }

        synchronized void made(int generation, int tokens) {
            long now = System.nanoTime();
            made.add(new Made(now, tokens));
            firsts[generation] = firsts[generation] == 0 ? now : firsts[generation];
        }

        synchronized void ended(int generation) {
            ends[generation] = System.nanoTime();
            running--;
            notifyAll();
        }

        synchronized void await() throws InterruptedException {
            while (running > 0) {
                wait();
            }
        }

        synchronized int all() {
            return made.stream().mapToInt(Made::tokens).sum();
        }

        synchronized double rate() {
            long from = Arrays.stream(firsts).max().orElseThrow();
            long to = Arrays.stream(ends).min().orElseThrow();
            int tokens =
                    made.stream()
                            .filter(m -> m.nanos() > from && m.nanos() <= to)
                            .mapToInt(Made::tokens)
                            .sum();
            return tokens / ((to - from) / 1e9);
        }
    }
}
