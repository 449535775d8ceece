package dev.tokenlog.client;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;

/// How a client reaches the platform.
///
/// @param kafka settings for all of the client's Kafka clients, as Kafka names them:
///   `bootstrap.servers` at least; TLS and SASL settings pass through
/// @param topicPrefix what the names of the topics begin with; may be empty
/// @param timeout how long a call waits for the cluster
/// @param requestedBy who asks, for the audit trail
/// @param lookBack how far back the beginning of a generation is searched whose id the caller
///   chose: the platform's `max-age` or more
public record ClientOptions(
        Map<String, Object> kafka,
        String topicPrefix,
        Duration timeout,
        String requestedBy,
        Duration lookBack) {

    public ClientOptions {
        kafka = Map.copyOf(kafka);
        Objects.requireNonNull(topicPrefix);
        Objects.requireNonNull(requestedBy);
    }

    public static ClientOptions of(Map<String, Object> kafka, String topicPrefix) {
        return new ClientOptions(
                kafka,
                topicPrefix,
                Duration.ofSeconds(30),
                System.getProperty("user.name", "unknown"),
                Duration.ofHours(25));
    }

    public ClientOptions withTimeout(Duration value) {
        return new ClientOptions(kafka, topicPrefix, value, requestedBy, lookBack);
    }

    public ClientOptions withRequestedBy(String value) {
        return new ClientOptions(kafka, topicPrefix, timeout, value, lookBack);
    }
}
