package dev.tokenlog.benchmarks;

import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.artifact.Model;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// What the start of a worker costs when the log is long: from the start of its process to the
/// moment when it has read what it needs of every partition, and to the first token of a prompt
/// that was waiting; and how many records it read for that. The generations in the log were
/// answered by a real worker, which was then told to end, or killed.
///
/// `WorkerStart --model ARTIFACT [--generations 1000,10000,50000] [--tokens 2] [--prompt-bytes 400]
/// [--partitions 4] [--kill 0]`
public final class WorkerStart {

    private static final Duration SILENCE = Duration.ofSeconds(60);
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    private static final String GROUP = "tokenlog-inference";
    private static final Pattern OPEN =
            Pattern.compile("partition=\\d+ open: .* past_prompts=(\\d+) past_events=(\\d+)");

    private final Map<String, String> options;
    private final int partitions;
    private final Map<String, Object> settings;
    private final Path data;
    private final String bootstrap;
    private int sent;

    private WorkerStart(Map<String, String> options, String bootstrap, Path data) {
        this.options = options;
        this.partitions = BenchmarkModels.number(options, "partitions", 4);
        this.bootstrap = bootstrap;
        this.settings = Map.of("bootstrap.servers", bootstrap);
        this.data = data;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = BenchmarkModels.options(arguments);
        Path data = Files.createTempDirectory("worker-start");
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            new WorkerStart(options, kafka.bootstrapServers(), data).run();
        }
    }

    private void run() throws Exception {
        try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20));
                Model model = BenchmarkModels.open(options)) {
            topics.create(new TopicLayout(partitions, (short) 1));
            BenchmarkWorker.serve(settings, "measured", model, null);
        }
        start();
        for (String count : options.getOrDefault("generations", "1000,10000,50000").split(",")) {
            answer(Integer.parseInt(count));
            start();
            start();
        }
        if (options.containsKey("kill")) {
            killInTheMiddle(BenchmarkModels.number(options, "kill", 0));
            start();
        }
    }

    /// Lets a worker answer prompts until the log holds this many generations.
    private void answer(int count) throws Exception {
        try (BenchmarkWorker worker = worker()) {
            long began = System.nanoTime();
            int before = sent;
            send(count - sent);
            while (committed() < sent) {
                worker.requireAlive();
                if (System.nanoTime() - began > PATIENCE.toNanos()) {
                    throw new IllegalStateException(
                            "committed %d of %d".formatted(committed(), sent));
                }
                Thread.sleep(100);
            }
            System.out.printf(
                    Locale.ROOT,
                    "answered %d prompts, %.0f a second%n",
                    sent - before,
                    (sent - before) * 1e9 / (System.nanoTime() - began));
        }
    }

    /// Leaves a worker's group behind with prompts that have begun and not ended.
    private void killInTheMiddle(int prompts) throws Exception {
        try (BenchmarkWorker worker = worker()) {
            send(prompts);
            while (committed() < sent - prompts / 2) {
                worker.requireAlive();
                Thread.sleep(5);
            }
            worker.kill();
        }
        System.out.printf("killed with %d prompts not committed%n", sent - committed());
    }

    private BenchmarkWorker worker() throws Exception {
        return BenchmarkWorker.start(options, bootstrap, data, List.of());
    }

    private void send(int count) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("linger.ms", 5);
        String text = "word ".repeat(BenchmarkModels.number(options, "prompt-bytes", 400) / 5);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < count; i++) {
                PromptSubmitted prompt =
                        PromptSubmitted.ofText("measured", text)
                                .generationId("generation-" + sent)
                                .maxTokens(BenchmarkModels.number(options, "tokens", 2))
                                .seed(new UnsignedSeed(sent))
                                .build();
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(
                                Topic.PROMPTS.name(""),
                                sent++ % partitions,
                                prompt.generationId().getBytes(StandardCharsets.UTF_8),
                                EventJson.write(prompt));
                EventHeaders.describe(prompt, record.headers());
                producer.send(record);
            }
        }
    }

    private long committed() throws Exception {
        try (Admin admin = Admin.create(settings)) {
            return admin
                    .listConsumerGroupOffsets(GROUP)
                    .partitionsToOffsetAndMetadata()
                    .get()
                    .values()
                    .stream()
                    .mapToLong(offset -> offset.offset())
                    .sum();
        }
    }

    private long tokenEvents() throws Exception {
        Map<TopicPartition, OffsetSpec> all = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            all.put(new TopicPartition(Topic.TOKENS.name(""), partition), OffsetSpec.latest());
        }
        try (Admin admin = Admin.create(settings)) {
            return admin.listOffsets(all).all().get().values().stream()
                    .mapToLong(offset -> offset.offset())
                    .sum();
        }
    }

    /// Starts a worker with a prompt waiting, and ends it again.
    private void start() throws Exception {
        long events = tokenEvents();
        try (TokenlogClient client = TokenlogClient.connect(settings, "");
                GenerationStream waiting =
                        client.generate(
                                PromptSubmitted.ofText("measured", "Once upon a time")
                                        .maxTokens(2)
                                        .build())) {
            sent++;
            long began = System.nanoTime();
            try (BenchmarkWorker worker = worker()) {
                int[] read = awaitOpen(worker);
                double opened = (System.nanoTime() - began) / 1e9;
                while (!(waiting.next(SILENCE).orElseThrow() instanceof GenerationUpdate.Tokens)) {
                    worker.requireAlive();
                }
                System.out.printf(
                        Locale.ROOT,
                        "%d prompts and %d token events in the log: all partitions open after"
                                + " %.2f s, first token after %.2f s; read before: %d prompts,"
                                + " %d token events%n",
                        sent,
                        events,
                        opened,
                        (System.nanoTime() - began) / 1e9,
                        read[0],
                        read[1]);
                waiting.await(SILENCE);
                while (committed() < sent) {
                    Thread.sleep(20);
                }
            }
        }
    }

    /// @return prompts and token events that it read before
    private int[] awaitOpen(BenchmarkWorker worker) throws Exception {
        while (true) {
            int[] read = new int[2];
            int open = 0;
            Matcher line = OPEN.matcher(worker.log());
            while (line.find()) {
                open++;
                read[0] += Integer.parseInt(line.group(1));
                read[1] += Integer.parseInt(line.group(2));
            }
            if (open == partitions) {
                return read;
            }
            worker.requireAlive();
            Thread.sleep(5);
        }
    }
}
