package dev.tokenlog.client;

import dev.tokenlog.contracts.DeadLetter;
import java.time.Instant;
import java.util.List;
import org.apache.kafka.common.header.Header;

/// A record that was given up.
///
/// @param partition of the dead letter's own topic
/// @param offset in the dead letter's own topic
/// @param letter where it came from, and why it was given up
/// @param key original bytes, or null
/// @param value original bytes, or null
/// @param headers the original's, without those that say why it was given up
public record DeadLetterEntry(
        int partition,
        long offset,
        Instant timestamp,
        DeadLetter letter,
        byte[] key,
        byte[] value,
        List<Header> headers) {}
