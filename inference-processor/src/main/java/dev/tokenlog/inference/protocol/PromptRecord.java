package dev.tokenlog.inference.protocol;

import org.apache.kafka.common.header.Headers;

/// A record of `prompts` as it came.
///
/// @param key may be null
/// @param value may be null (a tombstone)
public record PromptRecord(
        int partition, long offset, long appendTime, byte[] key, byte[] value, Headers headers) {

    /// What it takes to keep it in memory, roughly.
    long bytes() {
        return 256L + (value == null ? 0 : value.length) + (key == null ? 0 : key.length);
    }
}
