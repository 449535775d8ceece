package dev.tokenlog.client;

import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.Topic;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// Writes what a test tells it to where the platform's processes would write.
final class ScriptedWorker implements AutoCloseable {

    /// The prompt offset of generations whose prompt does not matter.
    static final long PROMPT = 7;

    private final KafkaProducer<byte[], byte[]> producer;
    private final String prefix;

    ScriptedWorker(Map<String, Object> kafka, String prefix) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        this.producer = new KafkaProducer<>(settings);
        this.prefix = prefix;
    }

    RecordMetadata write(Topic topic, String key, Event event) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(topic.name(prefix), bytes(key), EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        return send(record);
    }

    /// In this order, and durable when it returns.
    void writeTokens(int partition, TokenEvent... events) {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (TokenEvent event : events) {
            sent.add(
                    producer.send(
                            new ProducerRecord<>(
                                    Topic.TOKENS.name(prefix),
                                    partition,
                                    bytes(event.generationId()),
                                    EventJson.write(event))));
        }
        sent.forEach(ScriptedWorker::await);
    }

    void writeRaw(Topic topic, int partition, byte[] key, byte[] value) {
        send(new ProducerRecord<>(topic.name(prefix), partition, key, value));
    }

    void writeDeadLetter(DeadLetter letter, byte[] key, byte[] value) {
        writeDeadLetter(letter, key, value, new RecordHeaders());
    }

    void writeDeadLetter(DeadLetter letter, byte[] key, byte[] value, Headers headers) {
        send(letter.record(prefix, key, value, headers));
    }

    DeadLetter letter(int partition, long offset, ErrorCode reason) {
        return new DeadLetter(Topic.PROMPTS.name(prefix), partition, offset, reason, "because", 0);
    }

    private RecordMetadata send(ProducerRecord<byte[], byte[]> record) {
        return await(producer.send(record));
    }

    private static RecordMetadata await(Future<RecordMetadata> sent) {
        try {
            return sent.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    static GenerationStarted started(String id, String bodyHash, List<String> stop) {
        return new GenerationStarted(
                id,
                1,
                "demo",
                "sha256-demo",
                "cpu-2/kv16",
                null,
                new Parameters(16, 0.0, null, null, null, null, null, null, stop, null, null, null),
                PROMPT,
                bodyHash,
                "worker-1");
    }

    static GenerationResumed resumed(String id, int attempt) {
        return new GenerationResumed(id, PROMPT, attempt, "worker-" + attempt, "cpu-2/kv16");
    }

    static TokensGenerated tokens(String id, int attempt, int index, String text, int... ids) {
        return new TokensGenerated(
                id,
                PROMPT,
                attempt,
                index,
                Arrays.stream(ids).boxed().toList(),
                text,
                null,
                null,
                null);
    }

    static GenerationFinished finished(String id, int attempt, int tokens) {
        return new GenerationFinished(
                id, PROMPT, attempt, "stop", null, new TokenUsage(3, tokens), null, null);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        producer.close();
    }
}
