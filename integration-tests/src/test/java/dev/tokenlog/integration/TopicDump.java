package dev.tokenlog.integration;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// Everything that a topic holds, read by nothing of ours: plain consumer, plain JSON. What a
/// transaction has not committed is not there yet, as for the processors.
record TopicDump(List<ConsumerRecord<byte[], byte[]>> records) {

    private static final ObjectMapper JSON = new ObjectMapper();

    static TopicDump of(String bootstrap, String topic) {
        Map<String, Object> settings =
                Map.of(
                        "bootstrap.servers",
                        bootstrap,
                        "enable.auto.commit",
                        false,
                        "isolation.level",
                        "read_committed");
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream()
                            .map(info -> new TopicPartition(topic, info.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            while (ends.entrySet().stream()
                    .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
            return new TopicDump(records);
        }
    }

    /// The values that are JSON objects, in log order within each partition.
    List<ObjectNode> events() {
        List<ObjectNode> events = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            if (record.value() == null) {
                continue;
            }
            try {
                if (JSON.readTree(record.value()) instanceof ObjectNode event) {
                    events.add(event);
                }
            } catch (IOException notJson) {
                throw new UncheckedIOException(
                        record.topic() + "-" + record.partition() + "@" + record.offset(), notJson);
            }
        }
        return events;
    }

    List<ObjectNode> events(String field, String value) {
        return events().stream().filter(event -> value.equals(event.path(field).asText())).toList();
    }

    /// One JSON object a line, with the names that `kcat -J` uses.
    void writeTo(Path file) {
        List<String> lines = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            ObjectNode line = JSON.createObjectNode();
            line.put("topic", record.topic());
            line.put("partition", record.partition());
            line.put("offset", record.offset());
            line.put("payload", new String(record.value(), StandardCharsets.UTF_8));
            lines.add(line.toString());
        }
        try {
            Files.write(file, lines);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }
}
