package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// Who has claimed one attempt at one generation, valid or not, as the log grows. For one thread.
final class AttemptClaims implements AutoCloseable {

    private static final Duration POLL = Duration.ofMillis(50);
    private static final Set<String> CLAIMS = Set.of("GenerationStarted", "GenerationResumed");

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final long promptOffset;
    private final int attempt;
    private final Set<String> workers = new LinkedHashSet<>();

    AttemptClaims(String bootstrap, int partition, long promptOffset, int attempt) {
        this.promptOffset = promptOffset;
        this.attempt = attempt;
        this.consumer =
                new KafkaConsumer<>(
                        Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", false),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
        List<TopicPartition> tokens = List.of(new TopicPartition("tokens", partition));
        consumer.assign(tokens);
        consumer.seekToBeginning(tokens);
    }

    /// How many workers have claimed it by now. Waits a moment for news.
    int count() {
        for (ConsumerRecord<byte[], byte[]> r : consumer.poll(POLL)) {
            ObjectNode event =
                    new RawLog.Entry(r.partition(), r.offset(), r.timestamp(), r.key(), r.value())
                            .json();
            if (event != null
                    && CLAIMS.contains(event.path("type").asText())
                    && event.path("prompt_offset").asLong() == promptOffset
                    && event.path("attempt").asInt() == attempt) {
                workers.add(event.path("worker_id").asText());
            }
        }
        return workers.size();
    }

    @Override
    public void close() {
        consumer.close();
    }
}
