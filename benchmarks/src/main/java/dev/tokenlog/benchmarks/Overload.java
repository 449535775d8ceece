package dev.tokenlog.benchmarks;

import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.transformer.CpuExecutor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// A worker of its own under many times the prompts that it can answer: what is lost (nothing), who
/// is answered, how late a refusal comes, and what becomes of its memory.
///
/// `Overload --model FOLDER [--recipe int4] [--seconds 300] [--times 10] [--deadline 5000]
/// [--tokens 64] [--users 20]`
///
/// First it measures what the worker can do, with as many prompts as it runs at once; then prompts
/// come at so many times that rate, evenly, whatever becomes of them.
public final class Overload {

    private static final int PARTITIONS = 4;
    private static final int WARM_PROMPTS = 200;
    private static final int AT_ONCE = 32;

    private record Sent(long at) {}

    private record End(String what, long at, int tokens) {}

    private final Map<String, String> options;
    private final int deadline;
    private final int tokens;
    private final int users;
    private final Map<String, Sent> sent = new ConcurrentHashMap<>();
    private final Map<String, End> ends = new ConcurrentHashMap<>();
    private volatile boolean done;
    private KafkaProducer<byte[], byte[]> producer;

    private Overload(Map<String, String> options) {
        this.options = options;
        this.deadline = BenchmarkModels.number(options, "deadline", 5_000);
        this.tokens = BenchmarkModels.number(options, "tokens", 64);
        this.users = BenchmarkModels.number(options, "users", 20);
    }

    public static void main(String[] arguments) throws Exception {
        new Overload(BenchmarkModels.options(arguments)).run();
    }

    private void run() throws Exception {
        Path data = Files.createTempDirectory("overload");
        try (Model model = BenchmarkModels.open(options);
                EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                topics.create(new TopicLayout(PARTITIONS, (short) 1));
            }
            String numerics;
            try (CpuExecutor executor = BenchmarkModels.executor(model, options)) {
                numerics = executor.numericsId();
            }
            BenchmarkWorker.serve(settings, "measured", model, numerics);
            BenchmarkWorker worker =
                    BenchmarkWorker.start(options, kafka.bootstrapServers(), data, List.of());
            Thread reader = Thread.ofPlatform().start(() -> read(settings));
            try (KafkaProducer<byte[], byte[]> open =
                    new KafkaProducer<>(
                            settings, new ByteArraySerializer(), new ByteArraySerializer())) {
                producer = open;
                overload(capacity(), worker);
            } finally {
                done = true;
                reader.join();
                worker.close();
            }
        }
    }

    /// Answers a second, with as many prompts as a worker runs at once.
    private double capacity() throws InterruptedException {
        closedLoop("cold-", WARM_PROMPTS / 2);
        long begin = System.nanoTime();
        closedLoop("warm-", WARM_PROMPTS);
        double rate = WARM_PROMPTS / ((System.nanoTime() - begin) / 1e9);
        System.out.printf(Locale.ROOT, "capacity: %.1f answers/s of %d tokens%n", rate, tokens);
        return rate;
    }

    private void closedLoop(String name, int prompts) throws InterruptedException {
        for (int i = 0; i < prompts; i++) {
            while (sent.size() - ends.size() >= AT_ONCE) {
                Thread.sleep(1);
            }
            send(name + i, "warm", null);
        }
        while (ends.size() < sent.size()) {
            Thread.sleep(1);
        }
    }

    private void overload(double capacity, BenchmarkWorker worker)
            throws InterruptedException, IOException {
        sent.clear();
        ends.clear();
        int seconds = BenchmarkModels.number(options, "seconds", 300);
        double rate = BenchmarkModels.number(options, "times", 10) * capacity;
        List<Long> memory = new ArrayList<>();
        long begin = System.nanoTime();
        int count = 0;
        int sampled = 0;
        for (double now = 0; now < seconds; now = (System.nanoTime() - begin) / 1e9) {
            while (count < now * rate) {
                send("p" + count, "user" + count % users, (long) deadline);
                count++;
            }
            if (now >= 5.0 * (sampled + 1)) {
                sampled++;
                memory.add(memory(worker.handle().pid()));
                System.out.printf(
                        Locale.ROOT,
                        "%4.0f s: %d sent, %d ended, worker's memory %d MiB%n",
                        now,
                        sent.size(),
                        ends.size(),
                        memory.getLast() >> 20);
            }
            Thread.sleep(1);
        }
        producer.flush();
        long until = System.nanoTime() + Duration.ofMillis(deadline).toNanos() * 6;
        while (ends.size() < count && System.nanoTime() < until) {
            Thread.sleep(10);
        }
        report(count, capacity, seconds, memory);
    }

    private void send(String id, String user, Long deadlineMs) {
        PromptSubmitted prompt =
                PromptSubmitted.ofText("measured", "Once upon a time, story " + id)
                        .generationId(id)
                        .maxTokens(tokens)
                        .temperature(0.8)
                        .user(user)
                        .deadlineMs(deadlineMs)
                        .build();
        sent.put(id, new Sent(0));
        producer.send(
                new ProducerRecord<>(
                        Topic.PROMPTS.name(""),
                        Math.floorMod(id.hashCode(), PARTITIONS),
                        id.getBytes(StandardCharsets.UTF_8),
                        EventJson.write(prompt)),
                (place, failure) -> {
                    if (failure == null) {
                        sent.put(id, new Sent(place.timestamp()));
                    } else {
                        System.out.println(id + " was not sent: " + failure);
                    }
                });
    }

    private void read(Map<String, Object> settings) {
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) {
                all.add(new TopicPartition(Topic.TOKENS.name(""), i));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            while (!done) {
                consumer.poll(Duration.ofMillis(100)).forEach(this::note);
            }
        }
    }

    private void note(ConsumerRecord<byte[], byte[]> record) {
        try {
            if (EventJson.read(record.headers(), record.value(), TokenEvent.class)
                    instanceof Terminal end) {
                String what =
                        switch (end) {
                            case GenerationFinished _ -> "finished";
                            case GenerationCancelled _ -> "cancelled";
                            case GenerationFailed failed -> failed.code().name();
                        };
                ends.put(
                        end.generationId(),
                        new End(what, record.timestamp(), end.usage().completionTokens()));
            }
        } catch (UnreadableEventException e) {
            throw new IllegalStateException(e);
        }
    }

    private void report(int count, double capacity, int seconds, List<Long> memory) {
        Map<String, Integer> kinds = new TreeMap<>();
        List<Long> late = new ArrayList<>();
        long wasted = 0;
        for (Map.Entry<String, End> entry : ends.entrySet()) {
            End end = entry.getValue();
            kinds.merge(end.what(), 1, Integer::sum);
            wasted += end.what().equals("finished") ? 0 : end.tokens();
            late.add(end.at() - sent.get(entry.getKey()).at() - deadline);
        }
        late.sort(null);
        long overdue = late.stream().filter(millis -> millis > 0).count();
        System.out.printf(
                Locale.ROOT,
                "%d prompts in %d s at %.1f times the capacity, deadline %d ms: %s, lost %d%n",
                count,
                seconds,
                count / seconds / capacity,
                deadline,
                kinds,
                count - ends.size());
        System.out.printf(
                Locale.ROOT,
                "answers %.1f/s (%.2f of the capacity); tokens of answers that were not finished: %d%n",
                kinds.getOrDefault("finished", 0) / (double) seconds,
                kinds.getOrDefault("finished", 0) / (seconds * capacity),
                wasted);
        System.out.printf(
                Locale.ROOT,
                "ends behind the deadline: %d, p99 %d ms, the last %d ms%n",
                overdue,
                late.get((int) (late.size() * 0.99)),
                late.getLast());
        int third = memory.size() / 3;
        System.out.printf(
                Locale.ROOT,
                "worker's memory: %d MiB at most in the first third, %d MiB in the last%n",
                memory.subList(0, third).stream().mapToLong(m -> m).max().orElse(0) >> 20,
                memory.subList(2 * third, memory.size()).stream().mapToLong(m -> m).max().orElse(0)
                        >> 20);
    }

    /// Resident memory, from proc_pid_status(5), in bytes.
    private static long memory(long pid) throws IOException {
        String status = Files.readString(Path.of("/proc/" + pid + "/status"));
        Matcher matcher = Pattern.compile("(?m)^VmRSS:\\s+([0-9]+) kB$").matcher(status);
        return matcher.find() ? Long.parseLong(matcher.group(1)) << 10 : -1;
    }
}
