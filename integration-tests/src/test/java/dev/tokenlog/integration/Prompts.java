package dev.tokenlog.integration;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// A producer of raw bytes, as any program could be.
final class Prompts implements AutoCloseable {

    private final KafkaProducer<byte[], byte[]> producer;

    Prompts(String bootstrap) {
        producer =
                new KafkaProducer<>(
                        Map.of(
                                "bootstrap.servers",
                                bootstrap,
                                "acks",
                                "all",
                                "max.request.size",
                                2 << 20),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
    }

    /// Sends and waits for the acknowledgement; `key` may be null.
    RecordMetadata send(
            String topic, Integer partition, String key, byte[] value, Header... headers)
            throws InterruptedException {
        try {
            return producer.send(
                            new ProducerRecord<>(
                                    topic,
                                    partition,
                                    key == null ? null : key.getBytes(StandardCharsets.UTF_8),
                                    value,
                                    List.of(headers)))
                    .get();
        } catch (ExecutionException refused) {
            throw new AssertionError("the broker refused a record", refused.getCause());
        }
    }

    RecordMetadata prompt(String key, String json, Header... headers) throws InterruptedException {
        return send("prompts", null, key, json.getBytes(StandardCharsets.UTF_8), headers);
    }

    @Override
    public void close() {
        producer.close();
    }
}
