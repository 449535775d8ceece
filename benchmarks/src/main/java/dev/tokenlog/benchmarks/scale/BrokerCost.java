package dev.tokenlog.benchmarks.scale;

import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// What token events cost a broker: processor time of the broker's process for requests of one and
/// of many records, and for each reader that follows. Processor time, so that a busy machine does
/// not spoil it; what an idle broker takes is subtracted. The inputs of [ScaleSimulation].
///
/// `BrokerCost [seconds per case]`
public final class BrokerCost {

    private static final int[] RECORDS = {1, 10, 100};
    private static final int[] READERS = {0, 1, 4};

    private final EmbeddedKafka kafka;
    private final Map<String, Object> settings;
    private final int seconds;
    private double idleNanosPerSecond;

    private BrokerCost(EmbeddedKafka kafka, int seconds) {
        this.kafka = kafka;
        this.settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
        this.seconds = seconds;
    }

    /// A token event as workers write it, of this many tokens.
    static ProducerRecord<byte[], byte[]> event(String topic, int tokens) {
        String id = "6f1a3b0e-9c55-4d0e-8a53-2f1f9f6f1c11";
        TokensGenerated event =
                new TokensGenerated(
                        id,
                        41_000L,
                        1,
                        120,
                        IntStream.range(0, tokens).mapToObj(i -> 12_000 + i).toList(),
                        " word".repeat(tokens),
                        null,
                        null,
                        null);
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        topic, 0, id.getBytes(StandardCharsets.UTF_8), EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        return record;
    }

    /// Bytes of key, value and headers.
    static int bytes(ProducerRecord<byte[], byte[]> record) {
        int bytes = record.key().length + record.value().length;
        for (var header : record.headers()) {
            bytes += header.key().length() + header.value().length;
        }
        return bytes;
    }

    public static void main(String[] arguments) throws Exception {
        int seconds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
        Path data = Files.createTempDirectory("broker-cost");
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            new BrokerCost(kafka, seconds).run();
        }
    }

    private void run() throws Exception {
        perRequest("warm-up", 1, 1);
        perRequest("warm-up", 100, 1);
        long before = processorNanos();
        Thread.sleep(2_000);
        idleNanosPerSecond = (processorNanos() - before) / 2.0;
        System.out.printf(
                Locale.ROOT,
                "an event of one token: %d bytes; idle broker: %.0f ms a second%n",
                bytes(event("t", 1)),
                idleNanosPerSecond / 1e6);
        System.out.printf("%-20s", "records a request");
        for (int readers : READERS) {
            System.out.printf(" %18s", readers + " readers: us");
        }
        System.out.println();
        for (int records : RECORDS) {
            System.out.printf("%-20d", records);
            for (int readers : READERS) {
                System.out.printf(
                        Locale.ROOT, " %18.1f", perRequest("cost", records, readers) / 1e3);
            }
            System.out.println();
        }
    }

    /// Nanoseconds of the broker for one request and what the readers ask because of it.
    private double perRequest(String name, int records, int readers) throws Exception {
        String topic = "%s-%d-%d".formatted(name, records, readers);
        try (Admin admin = Admin.create(settings)) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
        }
        List<Reader> all = new ArrayList<>();
        for (int i = 0; i < readers; i++) {
            all.add(new Reader(topic));
        }
        ProducerRecord<byte[], byte[]> event = event(topic, 1);
        AtomicLong failed = new AtomicLong();
        long requests = 0;
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            producer.partitionsFor(topic);
            long before = processorNanos();
            long begin = System.nanoTime();
            while (System.nanoTime() - begin < seconds * 1_000_000_000L) {
                for (int i = 0; i < records; i++) {
                    producer.send(event, (_, failure) -> failed.addAndGet(failure == null ? 0 : 1));
                }
                producer.flush();
                requests++;
                for (Reader reader : all) {
                    reader.await(requests * records);
                }
            }
            double idle = idleNanosPerSecond * (System.nanoTime() - begin) / 1e9;
            if (failed.get() > 0) {
                throw new IllegalStateException(failed + " records were not written");
            }
            return (processorNanos() - before - idle) / requests;
        } finally {
            for (Reader reader : all) {
                reader.close();
            }
        }
    }

    private long processorNanos() {
        return ProcessHandle.of(kafka.processId())
                .flatMap(process -> process.info().totalCpuDuration())
                .map(Duration::toNanos)
                .orElseThrow();
    }

    /// A request holds what was sent between two calls of `flush`.
    private KafkaProducer<byte[], byte[]> producer() {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("acks", "all");
        all.put("linger.ms", 1_000);
        all.put("batch.size", 1 << 20);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /// Follows the partition and says when it has read so many.
    private final class Reader implements AutoCloseable {

        private final KafkaConsumer<byte[], byte[]> consumer;
        private final Thread thread;
        private long read;
        private volatile boolean closed;

        Reader(String topic) {
            consumer =
                    new KafkaConsumer<>(
                            settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            thread = Thread.ofPlatform().start(this::run);
        }

        private void run() {
            while (!closed) {
                int count = consumer.poll(Duration.ofMillis(100)).count();
                synchronized (this) {
                    read += count;
                    notifyAll();
                }
            }
            consumer.close();
        }

        synchronized void await(long count) throws InterruptedException {
            long until = System.nanoTime() + 10_000_000_000L;
            while (read < count) {
                if (System.nanoTime() > until) {
                    throw new IllegalStateException("read %d of %d".formatted(read, count));
                }
                wait(100);
            }
        }

        @Override
        public void close() throws InterruptedException {
            closed = true;
            thread.join();
        }
    }
}
