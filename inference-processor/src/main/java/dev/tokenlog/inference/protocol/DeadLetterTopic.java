package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import java.util.function.Consumer;
import org.apache.kafka.common.header.Headers;

/// The topic `dead-letters`.
public interface DeadLetterTopic {

    void append(Letter letter, Consumer<SendResult> done);

    /// @param offset of the prompt; for a gap, of the first record that is missing
    /// @param key the prompt's key, may be null
    /// @param value the prompt's bytes, may be null
    /// @param attempt how many claims the log holds
    record Letter(
            int partition,
            long offset,
            byte[] key,
            byte[] value,
            Headers headers,
            ErrorCode reason,
            String message,
            int attempt) {}
}
