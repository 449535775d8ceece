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
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/// Many streams at once through a worker process, an embedded broker and the client library, all on
/// this machine: token events a second, and how long a token takes from the moment when the engine
/// has made it (an event of the worker's flight recorder) to the reader. A stream that ends is
/// followed by another one at once.
///
/// `StreamLoad --model ARTIFACT [--streams 200] [--seconds 20] [--warm-up 20] [--tokens 400]
/// [--interval 25] [--group 64] [--partitions 4] [--threads 2] [--set key=value,…]`
///
/// `--interval` (milliseconds) and `--group` say how the worker puts tokens together. The latency
/// of an event is that of its last token, which is when the engine's part is over; that of its
/// first token contains the time in which tokens waited for each other.
public final class StreamLoad {

    private static final Duration SILENCE = Duration.ofSeconds(60);
    private static final String MADE = "dev.tokenlog.TokenMade";

    /// @param from index of the first token
    /// @param nanos since 1970, when the reader had the event
    private record Read(String generation, int from, int tokens, long nanos) {}

    private final Map<String, String> options;
    private final int streams;
    private final ConcurrentLinkedQueue<Read> reads = new ConcurrentLinkedQueue<>();
    private final AtomicInteger prompts = new AtomicInteger();
    private volatile boolean over;

    private StreamLoad(Map<String, String> options) {
        this.options = options;
        this.streams = BenchmarkModels.number(options, "streams", 200);
    }

    public static void main(String[] arguments) throws Exception {
        new StreamLoad(BenchmarkModels.options(arguments)).run();
    }

    private void run() throws Exception {
        Path data = Files.createTempDirectory("stream-load");
        Path recording = data.resolve("worker.jfr");
        long from;
        long to;
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20));
                    Model model = BenchmarkModels.open(options)) {
                topics.create(
                        new TopicLayout(
                                BenchmarkModels.number(options, "partitions", 4), (short) 1));
                BenchmarkWorker.serve(settings, "measured", model, null);
            }
            try (BenchmarkWorker worker =
                            BenchmarkWorker.start(
                                    options, kafka.bootstrapServers(), data, settings(recording));
                    TokenlogClient client = TokenlogClient.connect(settings, "")) {
                ProcessHandle broker = ProcessHandle.of(kafka.processId()).orElseThrow();
                CountDownLatch running = begin(client);
                pause("warm-up", 20, worker);
                Duration[] before = times(worker.handle(), broker);
                from = now();
                pause("seconds", 20, worker);
                to = now();
                print("processor time", before, times(worker.handle(), broker), to - from);
                over = true;
                running.await();
            }
        }
        report(made(recording), from, to);
    }

    private List<String> settings(Path recording) {
        return List.of(
                "-XX:StartFlightRecording=settings=none,+"
                        + MADE
                        + "#enabled=true,filename="
                        + recording,
                "-Dtokenlog.inference.limits.generations=" + 2 * streams,
                "-Dtokenlog.inference.limits.sequences=" + streams,
                "-Dtokenlog.inference.limits.tokens=" + 1_000 * streams,
                "-Dtokenlog.inference.limits.drafts=0",
                "-Dtokenlog.inference.tokens.size=" + BenchmarkModels.number(options, "group", 64),
                "-Dtokenlog.inference.tokens.interval="
                        + BenchmarkModels.number(options, "interval", 25)
                        + "ms");
    }

    private void pause(String name, int otherwise, BenchmarkWorker worker)
            throws InterruptedException, IOException {
        Thread.sleep(Duration.ofSeconds(BenchmarkModels.number(options, name, otherwise)));
        worker.requireAlive();
    }

    private CountDownLatch begin(TokenlogClient client) {
        CountDownLatch running = new CountDownLatch(streams);
        for (int i = 0; i < streams; i++) {
            Thread.ofVirtual()
                    .start(() -> {
                        try {
                            while (!over) {
                                one(client);
                            }
                        } finally {
                            running.countDown();
                        }
                    });
        }
        return running;
    }

    private void one(TokenlogClient client) {
        int number = prompts.incrementAndGet();
        PromptSubmitted prompt =
                PromptSubmitted.ofText("measured", "Once upon a time, story " + number)
                        .maxTokens(BenchmarkModels.number(options, "tokens", 400))
                        .temperature(0.8)
                        .topK(40)
                        .seed(new UnsignedSeed(number))
                        .build();
        try (GenerationStream stream = client.generate(prompt)) {
            String generation = stream.handle().generationId();
            while (!stream.ended() && !over) {
                stream.next(SILENCE)
                        .ifPresent(update -> {
                            if (update instanceof GenerationUpdate.Tokens made
                                    && !made.tokenIds().isEmpty()) {
                                reads.add(
                                        new Read(
                                                generation,
                                                made.index(),
                                                made.tokenIds().size(),
                                                now()));
                            }
                        });
            }
        }
    }

    private static long now() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000_000L + now.getNano();
    }

    private static Duration[] times(ProcessHandle worker, ProcessHandle broker) {
        return Stream.of(worker, broker, ProcessHandle.current())
                .map(BenchmarkWorker::processorTime)
                .toArray(Duration[]::new);
    }

    private static void print(String what, Duration[] before, Duration[] after, long nanos) {
        System.out.printf(
                Locale.ROOT,
                "%s a second: worker %.0f ms, broker %.0f ms, readers %.0f ms%n",
                what,
                after[0].minus(before[0]).toNanos() * 1e3 / nanos,
                after[1].minus(before[1]).toNanos() * 1e3 / nanos,
                after[2].minus(before[2]).toNanos() * 1e3 / nanos);
    }

    /// When each token of each generation was made, in nanoseconds since 1970.
    private static Map<String, Map<Integer, Long>> made(Path recording) throws IOException {
        Map<String, Map<Integer, Long>> made = new HashMap<>();
        try (RecordingFile file = new RecordingFile(recording)) {
            while (file.hasMoreEvents()) {
                RecordedEvent event = file.readEvent();
                if (event.getEventType().getName().equals(MADE)) {
                    Instant time = event.getStartTime();
                    made.computeIfAbsent(event.getString("generationId"), _ -> new HashMap<>())
                            .put(
                                    event.getInt("index"),
                                    time.getEpochSecond() * 1_000_000_000L + time.getNano());
                }
            }
        }
        if (made.isEmpty()) {
            throw new IllegalStateException(recording + " holds no event " + MADE);
        }
        return made;
    }

    private void report(Map<String, Map<Integer, Long>> made, long from, long to) {
        List<Long> last = new ArrayList<>();
        List<Long> first = new ArrayList<>();
        long tokens = 0;
        for (Read read : reads) {
            if (read.nanos() < from || read.nanos() > to) {
                continue;
            }
            Map<Integer, Long> times = made.get(read.generation());
            last.add(read.nanos() - times.get(read.from() + read.tokens() - 1));
            first.add(read.nanos() - times.get(read.from()));
            tokens += read.tokens();
        }
        double seconds = (to - from) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "%d streams: %.0f token events/s, %.0f tokens/s, %d prompts begun%n",
                streams,
                last.size() / seconds,
                tokens / seconds,
                prompts.get());
        print("event, from its last token to the reader", last);
        print("event, from its first token to the reader", first);
    }

    private static void print(String what, List<Long> nanos) {
        Latencies latencies = Latencies.of(nanos.stream().mapToLong(Long::longValue).toArray());
        System.out.printf(
                Locale.ROOT,
                "%s: least %.1f ms, p50 %.1f, p90 %.1f, p99 %.1f, most %.1f ms%n",
                what,
                latencies.quantile(0),
                latencies.quantile(0.5),
                latencies.quantile(0.9),
                latencies.quantile(0.99),
                latencies.quantile(1));
    }
}
