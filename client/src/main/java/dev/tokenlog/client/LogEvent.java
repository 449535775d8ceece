package dev.tokenlog.client;

import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.Topic;
import java.time.Instant;

/// An event and its place in the log.
///
/// @param key the record's key as text; null where it has none
/// @param timestamp when the broker appended it
public record LogEvent<E extends Event>(
        Topic topic, int partition, long offset, Instant timestamp, String key, E event) {

    static <E extends Event> LogEvent<E> of(LogRecord record, E event) {
        return new LogEvent<>(
                record.topic(),
                record.partition(),
                record.offset(),
                record.timestamp(),
                record.key().orElse(null),
                event);
    }
}
