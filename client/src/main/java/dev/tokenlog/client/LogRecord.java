package dev.tokenlog.client;

import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/// A record of one of our topics, whose value is parsed once however many readers look at it.
/// Confined to the thread that reads it.
final class LogRecord {

    private final Topic topic;
    private final ConsumerRecord<byte[], byte[]> raw;
    private Optional<Event> event;

    LogRecord(Topic topic, ConsumerRecord<byte[], byte[]> raw) {
        this.topic = topic;
        this.raw = raw;
    }

    Topic topic() {
        return topic;
    }

    ConsumerRecord<byte[], byte[]> raw() {
        return raw;
    }

    int partition() {
        return raw.partition();
    }

    long offset() {
        return raw.offset();
    }

    Instant timestamp() {
        return Instant.ofEpochMilli(raw.timestamp());
    }

    Optional<String> key() {
        return Optional.ofNullable(raw.key())
                .map(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }

    boolean tombstone() {
        return raw.value() == null;
    }

    /// The event; empty for a tombstone, and for bytes that are none: what cannot be read is void
    /// for every reader.
    Optional<Event> event() {
        if (event == null) {
            event = parse();
        }
        return event;
    }

    <E extends Event> Optional<E> event(Class<E> type) {
        return event().filter(type::isInstance).map(type::cast);
    }

    private Optional<Event> parse() {
        if (raw.value() == null || topic.payload().isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(EventJson.read(raw.headers(), raw.value(), topic.payload().get()));
        } catch (UnreadableEventException unreadable) {
            return Optional.empty();
        }
    }
}
