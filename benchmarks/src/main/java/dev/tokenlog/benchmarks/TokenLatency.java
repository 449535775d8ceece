package dev.tokenlog.benchmarks;

import dev.tokenlog.client.GenerationHandle;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// How long a token event takes from the moment at which the engine has it to the reader: one event
/// every `1/rate` s through a producer with the worker's settings, an embedded broker in a child
/// process, and the client library's stream.
///
/// `TokenLatency [events per second] [seconds]`
public final class TokenLatency {

    private TokenLatency() {}

    public static void main(String[] arguments) throws Exception {
        int rate = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 50;
        int seconds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 30;
        Path data = Files.createTempDirectory("token-latency");
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                topics.create(TopicLayout.EMBEDDED);
            }
            run(settings, "warm-up", rate, 5);
            run(settings, "measured", rate, seconds).print(rate, seconds);
        }
    }

    private static Latencies run(Map<String, Object> settings, String id, int rate, int seconds)
            throws Exception {
        int count = rate * seconds;
        long[] sent = new long[count];
        long[] read = new long[count];
        try (KafkaProducer<byte[], byte[]> producer = producer(settings);
                TokenlogClient client = TokenlogClient.connect(settings, "")) {
            GenerationHandle handle = new GenerationHandle(id, 0, 0, Optional.empty());
            Thread reader = Thread.ofPlatform().start(() -> readAll(client, handle, read));
            send(producer, id, started(id));
            long begin = System.nanoTime();
            for (int i = 0; i < count; i++) {
                long due = begin + i * 1_000_000_000L / rate;
                while (System.nanoTime() < due) {
                    LockSupport.parkNanos(due - System.nanoTime());
                }
                sent[i] = System.nanoTime();
                send(producer, id, token(id, i));
            }
            send(
                    producer,
                    id,
                    new GenerationFinished(
                            id, 0L, 1, "length", null, new TokenUsage(4, count), null, null));
            reader.join();
        }
        return Latencies.between(sent, read);
    }

    private static KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new java.util.HashMap<>(settings);
        all.put("acks", "all");
        all.put("enable.idempotence", true);
        all.put("linger.ms", 0);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static void readAll(TokenlogClient client, GenerationHandle handle, long[] read) {
        try (GenerationStream stream = client.stream(handle)) {
            stream.forEach(
                    Duration.ofSeconds(30),
                    update -> {
                        if (update instanceof GenerationUpdate.Tokens tokens) {
                            read[tokens.index()] = System.nanoTime();
                        }
                    });
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String id, TokenEvent event) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        Topic.TOKENS.name(""),
                        0,
                        id.getBytes(StandardCharsets.UTF_8),
                        EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        producer.send(record);
    }

    private static GenerationStarted started(String id) {
        return new GenerationStarted(
                id, 1, "none", null, null, null, null, 0L, "0".repeat(64), "benchmark");
    }

    private static TokensGenerated token(String id, int index) {
        return new TokensGenerated(id, 0L, 1, index, List.of(index), " word", null, null, null);
    }
}
