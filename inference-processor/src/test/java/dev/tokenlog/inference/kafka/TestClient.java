package dev.tokenlog.inference.kafka;

import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.WorkerEvent;
import dev.tokenlog.inference.protocol.StreamJudge;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// An outsider: plain Kafka clients, nothing of the worker's.
final class TestClient implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final String prefix;
    private final Map<String, Object> settings;
    private final KafkaProducer<byte[], byte[]> producer;

    TestClient(String servers, String prefix) {
        this.prefix = prefix;
        settings = Map.of("bootstrap.servers", servers);
        producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    String name(Topic topic) {
        return topic.name(prefix);
    }

    RecordMetadata send(ProducerRecord<byte[], byte[]> record) {
        try {
            return producer.send(record).get();
        } catch (ExecutionException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    RecordMetadata send(Topic topic, int partition, String key, Event event) {
        return send(
                new ProducerRecord<>(
                        name(topic),
                        partition,
                        key == null ? null : key.getBytes(StandardCharsets.UTF_8),
                        EventJson.write(event)));
    }

    List<ConsumerRecord<byte[], byte[]>> read(Topic topic, int partition) {
        TopicPartition place = new TopicPartition(name(topic), partition);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            long end = consumer.endOffsets(List.of(place)).get(place);
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            while (consumer.position(place) < end) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
            return records;
        }
    }

    /// Deletes what the partitions hold now.
    void deleteAll(Topic topic, int partitions) {
        try (Admin admin = Admin.create(settings)) {
            Map<TopicPartition, RecordsToDelete> all = new HashMap<>();
            for (int i = 0; i < partitions; i++) {
                all.put(new TopicPartition(name(topic), i), RecordsToDelete.beforeOffset(-1));
            }
            admin.deleteRecords(all).all().get();
        } catch (ExecutionException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /// Everything in `tokens`, by partition.
    List<List<TokenEvent>> tokens(int partitions) {
        List<List<TokenEvent>> all = new ArrayList<>();
        for (int i = 0; i < partitions; i++) {
            all.add(read(Topic.TOKENS, i).stream().map(TestClient::event).toList());
        }
        return all;
    }

    /// What a reader gets of the generation of this prompt.
    StreamJudge.Stream stream(int partition, long promptOffset) {
        StreamJudge.Stream stream = new StreamJudge.Stream(true);
        for (ConsumerRecord<byte[], byte[]> record : read(Topic.TOKENS, partition)) {
            TokenEvent event = event(record);
            if (event.promptOffset() == promptOffset) {
                stream.take(event);
            }
        }
        return stream;
    }

    static TokenEvent event(ConsumerRecord<byte[], byte[]> record) {
        try {
            return EventJson.read(record.headers(), record.value(), TokenEvent.class);
        } catch (UnreadableEventException e) {
            throw new AssertionError(e);
        }
    }

    static WorkerEvent workerEvent(ConsumerRecord<byte[], byte[]> record) {
        try {
            return EventJson.read(record.headers(), record.value(), WorkerEvent.class);
        } catch (UnreadableEventException e) {
            throw new AssertionError(e);
        }
    }

    StreamJudge.Stream ended(RecordMetadata prompt) {
        await("generation of " + prompt)
                .atMost(PATIENCE)
                .until(() -> stream(prompt.partition(), prompt.offset()).end != null);
        return stream(prompt.partition(), prompt.offset());
    }

    /// The commit of the worker's group on a partition of prompts; null before the first.
    OffsetAndMetadata committed(String group, int partition) {
        try (Admin admin = Admin.create(settings)) {
            return admin.listConsumerGroupOffsets(group)
                    .partitionsToOffsetAndMetadata()
                    .get()
                    .get(new TopicPartition(name(Topic.PROMPTS), partition));
        } catch (ExecutionException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        producer.close();
    }
}
