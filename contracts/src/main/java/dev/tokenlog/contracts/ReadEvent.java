package dev.tokenlog.contracts;

/// A record's value as a processor takes it: an event, or the bytes and the reason why they are
/// none. A value that cannot be read is an ordinary case, not an exception out of `poll`, where it
/// would stop the partition.
public sealed interface ReadEvent<E extends Event> {

    record Readable<E extends Event>(E event) implements ReadEvent<E> {}

    record Unreadable<E extends Event>(byte[] value, UnreadableEventException reason)
            implements ReadEvent<E> {}
}
