package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.generation.GenerationHandle;
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
import java.util.concurrent.CountDownLatch;

/// What running streams feel when long prompts arrive: time between tokens undisturbed and while
/// prompts are read, and how long those wait for their first tokens.
///
/// `ArrivalLatency --model FOLDER [--recipe int4] [--prompt 1024] [--arriving 1] [--streams 1]
/// [--rounds 4] [--compute auto] [--threads 2]`
///
/// In each round the streams first make 40 tokens by themselves; then the prompts arrive together.
public final class ArrivalLatency {

    private static final int UNDISTURBED = 40;
    private static final int STREAM_PROMPT = 32;

    private final StepLoop loop;
    private final int vocabulary;
    private final int prompt;
    private int texts;
    private final int arriving;
    private final int rounds;
    private final List<Stream> streams = new ArrayList<>();
    private final List<Long> quiet = new ArrayList<>();
    private final List<Long> disturbed = new ArrayList<>();
    private final List<Long> firstTokens = new ArrayList<>();

    private ArrivalLatency(StepLoop loop, int vocabulary, Map<String, String> options) {
        this.loop = loop;
        this.vocabulary = vocabulary;
        this.prompt = BenchmarkModels.number(options, "prompt", 1024);
        this.arriving = BenchmarkModels.number(options, "arriving", 1);
        this.rounds = BenchmarkModels.number(options, "rounds", 4);
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        try (Model model = BenchmarkModels.open(options);
                CpuExecutor executor = BenchmarkModels.executor(model, options);
                ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
            WarmUp.run(executor, Duration.ofSeconds(4));
            try (StepLoop loop = StepLoop.start(executor, tokenizer, StepLoopOptions.standard())) {
                ArrivalLatency benchmark =
                        new ArrivalLatency(loop, executor.plan().vocabularySize(), options);
                benchmark.read(1);
                long alone = benchmark.read(1).getFirst();
                benchmark.run(BenchmarkModels.number(options, "streams", 1));
                benchmark.print(alone);
            }
        }
    }

    private void run(int count) throws InterruptedException {
        for (int i = 0; i < count; i++) {
            Stream stream = new Stream();
            streams.add(stream);
            stream.handle = loop.submit(request(STREAM_PROMPT, 1 << 20, i), stream);
        }
        for (int round = -1; round < rounds; round++) {
            CountDownLatch enough = new CountDownLatch(count);
            streams.forEach(stream -> stream.begin(enough));
            enough.await();
            List<long[]> before = streams.stream().map(Stream::take).toList();
            List<Long> firsts = read(arriving);
            List<long[]> during = streams.stream().map(Stream::take).toList();
            if (round >= 0) {
                before.forEach(times -> addGaps(times, quiet));
                during.forEach(times -> addGaps(times, disturbed));
                firstTokens.addAll(firsts);
            }
        }
        streams.forEach(stream -> stream.handle.stop());
    }

    /// @return nanoseconds to the first token of each prompt
    private List<Long> read(int count) {
        long begin = System.nanoTime();
        List<CompletableFuture<Long>> firsts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            CompletableFuture<Long> first = new CompletableFuture<>();
            firsts.add(first);
            loop.submit(
                    request(prompt, 1, i),
                    new Listener() {
                        @Override
                        public void onToken(int index, int id, TokenLogProbability logprob) {
                            first.complete(System.nanoTime() - begin);
                        }

                        @Override
                        public void onFailed(Exception failure) {
                            first.completeExceptionally(failure);
                        }
                    });
        }
        return firsts.stream().map(CompletableFuture::join).toList();
    }

    private GenerationRequest request(int length, int maxTokens, int seed) {
        // No text begins like one before it: those tokens would come from the prefix cache.
        int begin = ++texts;
        int[] ids = new int[length];
        Arrays.setAll(ids, i -> (i + 1 + 17 * begin) * 7919 % vocabulary);
        SamplingParameters sampling = new SamplingParameters(0.8, 40, 1, 0, 1, 0, 0, seed);
        return new GenerationRequest(
                "arrival",
                ids,
                new int[0],
                sampling,
                Math.min(maxTokens, 3000),
                List.of(),
                -1,
                0,
                false);
    }

    private static void addGaps(long[] times, List<Long> gaps) {
        for (int i = 1; i < times.length; i++) {
            gaps.add(times[i] - times[i - 1]);
        }
    }

    private void print(long alone) {
        Latencies before = latencies(quiet);
        Latencies during = latencies(disturbed);
        double p50 = before.quantile(0.5);
        double p99 = during.quantile(0.99);
        System.out.printf(
                Locale.ROOT,
                "time between tokens of %d streams: undisturbed p50 %.1f ms, p99 %.1f ms;"
                        + " while %d prompts of %d tokens arrive p50 %.1f ms, p99 %.1f ms, max %.1f"
                        + " ms (%d gaps); p99 / undisturbed p50 = %.2f%n",
                streams.size(),
                p50,
                before.quantile(0.99),
                arriving,
                prompt,
                during.quantile(0.5),
                p99,
                during.quantile(1),
                disturbed.size(),
                p99 / p50);
        Latencies first = latencies(firstTokens);
        System.out.printf(
                Locale.ROOT,
                "first token of the prompts after %.0f ms (median), %.0f ms at most; of one alone"
                        + " after %.0f ms%n",
                first.quantile(0.5),
                first.quantile(1),
                alone / 1e6);
    }

    private static Latencies latencies(List<Long> nanos) {
        return Latencies.of(nanos.stream().mapToLong(Long::longValue).toArray());
    }

    private abstract static class Listener implements GenerationListener {
        @Override
        public void onFinished(Finish finish) {}

        @Override
        public void onStopped() {}
    }

    /// Notes when its tokens come.
    private static final class Stream extends Listener {
        private GenerationHandle handle;
        private final List<Long> times = new ArrayList<>();
        private CountDownLatch enough;

        synchronized void begin(CountDownLatch latch) {
            times.clear();
            enough = latch;
        }

        synchronized long[] take() {
            long[] taken = times.stream().mapToLong(Long::longValue).toArray();
            times.clear();
            return taken;
        }

        @Override
        public synchronized void onToken(int index, int id, TokenLogProbability logprob) {
            times.add(System.nanoTime());
            if (enough != null && times.size() == UNDISTURBED) {
                enough.countDown();
                enough = null;
            }
        }

        @Override
        public synchronized void onFailed(Exception failure) {
            throw new IllegalStateException("a stream has failed", failure);
        }
    }
}
