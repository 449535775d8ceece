package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// A cluster's topics as a test sees them: plain clients, everything from the beginning.
record Topics(String bootstrapServers, String prefix) {

    void send(Event event) {
        send(EventJson.write(event));
    }

    /// Appends to `conversion-requests`, without a key and with a caller's header.
    void send(byte[] value) {
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        settings(), new ByteArraySerializer(), new ByteArraySerializer())) {
            ProducerRecord<byte[], byte[]> record =
                    new ProducerRecord<>(Topic.CONVERSION_REQUESTS.name(prefix), value);
            EventHeaders.set(record.headers(), "x-team", "blue");
            producer.send(record).get();
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(e);
        }
    }

    List<ConversionEvent> events(String conversionId) {
        List<ConversionEvent> events = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : read(Topic.CONVERSION_EVENTS)) {
            try {
                ConversionEvent event =
                        EventJson.read(record.headers(), record.value(), ConversionEvent.class);
                if (event.conversionId().equals(conversionId)) {
                    events.add(event);
                }
            } catch (UnreadableEventException e) {
                throw new AssertionError(e);
            }
        }
        return events;
    }

    List<ConsumerRecord<byte[], byte[]>> read(Topic topic) {
        TopicPartition partition = new TopicPartition(topic.name(prefix), 0);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
        }
        return records;
    }

    /// What the processor's group has committed of `conversion-requests`; -1: nothing.
    long committed() {
        try (Admin admin = Admin.create(settings())) {
            OffsetAndMetadata offset =
                    admin.listConsumerGroupOffsets(prefix + "tokenlog-conversion")
                            .partitionsToOffsetAndMetadata()
                            .get()
                            .get(new TopicPartition(Topic.CONVERSION_REQUESTS.name(prefix), 0));
            return offset == null ? -1 : offset.offset();
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(e);
        }
    }

    private Map<String, Object> settings() {
        return Map.of("bootstrap.servers", bootstrapServers);
    }
}
