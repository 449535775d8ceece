package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.Topic;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// This worker's Kafka clients beside the channel of prompts, from the same settings (`kafka.*`),
/// so that TLS and SASL hold for all.
final class KafkaClients {

    private final Map<String, Object> settings;
    private final String clientId;

    /// @param settings `kafka.*` without the prefix
    KafkaClients(Map<String, Object> settings, String clientId) {
        this.settings = Map.copyOf(settings);
        this.clientId = clientId;
    }

    Map<String, Object> settings() {
        return settings;
    }

    /// Idempotent, all replicas, nothing waits for others to be sent with.
    Producer<byte[], byte[]> producer() {
        Map<String, Object> config = with("sender");
        config.put(ProducerConfig.ACKS_CONFIG, "all");
        config.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");
        config.put(ProducerConfig.LINGER_MS_CONFIG, "0");
        config.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "30000");
        config.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, "10000");
        config.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, "10000");
        // A dead letter holds a whole prompt.
        config.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 2 * Topic.DEAD_LETTER_LIMIT);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /// Without a group.
    ///
    /// @param patience how long a fetch that finds nothing stays at its broker: a partition that is
    ///   added, or a place that is sought, waits until it is back; what an operator has set goes
    ///   first
    Consumer<byte[], byte[]> reader(String purpose, Duration patience) {
        Map<String, Object> config = with(purpose);
        config.keySet().removeIf(key -> key.startsWith("group."));
        config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        // The registry writes in transactions; what it took back must not open the gate. Elsewhere
        // there are none, and this costs nothing.
        config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        config.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "10000");
        config.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "2000");
        config.putIfAbsent(
                ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, Long.toString(patience.toMillis()));
        return new KafkaConsumer<>(
                config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<String, Object> with(String purpose) {
        Map<String, Object> config = new HashMap<>(settings);
        config.put("client.id", clientId + "-" + purpose);
        return config;
    }
}
