package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;

/// What conversions say to the log, and what it already holds of them. Used by one thread.
interface ConversionLog {

    /// The log cannot be read or written now. What was appended since the last [#flush] may be
    /// there or not; reading again tells.
    final class UnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        UnavailableException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /// A record is larger than its topic takes: trying again would not help.
    final class TooLargeException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        TooLargeException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /// Everything that the log holds of a conversion at the time of the call.
    ///
    /// @throws UnavailableException if the log does not answer
    Progress progress(String conversionId);

    /// Appends in order, without waiting.
    ///
    /// @param request headers of the request: trace context and `x-` headers are passed on
    void append(ConversionEvent event, Headers request);

    void append(ModelManifest manifest, Headers request);

    void deadLetter(ConsumerRecord<byte[], byte[]> original, ErrorCode code, String message);

    /// Returns when everything appended so far is durable.
    ///
    /// @throws UnavailableException if something could not be written
    /// @throws TooLargeException if something never can be
    void flush();
}
