package dev.tokenlog.registry;

import dev.tokenlog.contracts.Topic;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/// What Kafka Streams is started with.
///
/// @param kafka client settings (`bootstrap.servers`, TLS, SASL, …)
/// @param prefix of topics, group, transactions and internal topics
/// @param data folder of this installation
record RegistrySettings(
        Map<String, Object> kafka, String prefix, Path data, RegistryConfig config) {

    /// How often records of internal topics that were processed are deleted.
    private static final long PURGE_MILLIS = 5_000;

    /// The id of an application, its group, its internal topics and its transactions: under the
    /// prefix, so that one access rule covers them.
    String id(StreamsApplication application) {
        return prefix + application.idWithoutPrefix();
    }

    /// Client settings without those that Streams gives its clients itself.
    Map<String, Object> clientSettings() {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.remove(ConsumerConfig.GROUP_ID_CONFIG);
        return settings;
    }

    /// Client settings under which no call, and no end of the client, takes longer.
    Map<String, Object> admin(Duration timeout) {
        Map<String, Object> settings = clientSettings();
        int millis = Math.toIntExact(timeout.toMillis());
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, millis);
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, millis);
        return settings;
    }

    /// @param clusterId what Streams keeps on disk belongs to one cluster's data
    Properties streams(StreamsApplication application, String clusterId) {
        Properties settings = new Properties();
        settings.putAll(clientSettings());
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, id(application));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(
                StreamsConfig.STATE_DIR_CONFIG,
                data.resolve("streams").resolve(clusterId).toAbsolutePath().toString());
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, config.replication());
        settings.put(
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG,
                application.commitInterval(config).toMillis());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, PURGE_MILLIS);
        settings.put(
                StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
                Math.toIntExact(config.sessionTimeout().toMillis()));
        settings.put(
                StreamsConfig.mainConsumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
                Math.toIntExact(config.sessionTimeout().toMillis() / 3));
        // An open transaction of a registry that was killed hides everything behind it so long.
        settings.put(
                StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), 5_000);
        // A dead letter is an original of up to a megabyte and what is said about it.
        settings.put(
                StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG),
                Topic.DEAD_LETTER_LIMIT);
        return settings;
    }
}
