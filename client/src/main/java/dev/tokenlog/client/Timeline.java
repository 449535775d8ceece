package dev.tokenlog.client;

import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.Topic;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// What the log holds about one conversion, one model or one generation, in the order of time: from
/// a token to the digests of the weights and of the source.
///
/// @param modelDigest the model that it is about, where the log says so
/// @param entries every record that concerns it
public record Timeline(
        String id, Subject subject, Optional<String> modelDigest, List<Entry> entries) {

    public enum Subject {
        GENERATION,
        CONVERSION,
        MODEL
    }

    /// @param key the record's key as text; null where it has none
    /// @param event empty for a tombstone, a dead letter, and bytes that are no event
    /// @param note what a reader should know: `void: …` for an event that does not count, the
    ///   reason of a dead letter; else empty
    public record Entry(
            Topic topic,
            int partition,
            long offset,
            Instant timestamp,
            String key,
            Optional<Event> event,
            String note) {}
}
