package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// Everything that a topic holds, read by nothing of the platform: plain consumer, plain JSON.
///
/// @param entries of each partition in the order of its log
record RawLog(List<Entry> entries) {

    private static final ObjectMapper JSON = new ObjectMapper();

    /// @param appendTime milliseconds, as the broker stamped it
    /// @param key may be null, as may the value
    record Entry(int partition, long offset, long appendTime, byte[] key, byte[] value) {

        /// The value as a JSON object; null where it is none.
        ObjectNode json() {
            if (value == null) {
                return null;
            }
            try {
                return JSON.readTree(value) instanceof ObjectNode object ? object : null;
            } catch (IOException e) {
                return null;
            }
        }
    }

    static RawLog read(String bootstrap, String topic) {
        Map<String, Object> settings =
                Map.of(
                        "bootstrap.servers",
                        bootstrap,
                        "enable.auto.commit",
                        false,
                        "isolation.level",
                        "read_committed",
                        "default.api.timeout.ms",
                        60_000);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream()
                            .map(info -> new TopicPartition(topic, info.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(partitions));
            List<Entry> entries = new ArrayList<>();
            while (!ends.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(100))) {
                    entries.add(
                            new Entry(
                                    r.partition(), r.offset(), r.timestamp(), r.key(), r.value()));
                }
                ends.entrySet().removeIf(end -> consumer.position(end.getKey()) >= end.getValue());
            }
            return new RawLog(entries);
        }
    }

    /// One JSON object a line, with the names that `kcat -J` uses.
    void writeTo(Path file, String topic) {
        try (BufferedWriter writer = Files.newBufferedWriter(file)) {
            for (Entry entry : entries) {
                ObjectNode line = JSON.createObjectNode();
                line.put("topic", topic);
                line.put("partition", entry.partition());
                line.put("offset", entry.offset());
                line.put("ts", entry.appendTime());
                line.put(
                        "payload",
                        entry.value() == null
                                ? null
                                : new String(entry.value(), StandardCharsets.UTF_8));
                writer.write(line.toString());
                writer.newLine();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
