package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;

/// What validations say to the log, and what it already holds of them. Used by one thread.
interface ValidationLog {

    /// The log cannot be read or written now.
    final class UnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        UnavailableException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /// Everything that the log holds at the time of the call.
    ///
    /// @throws UnavailableException if the log does not answer
    VerdictHistory verdicts();

    /// The latest manifest of a model, or the latest one with this digest.
    ///
    /// @param modelDigest null: any
    Optional<ModelManifest> manifest(String modelId, String modelDigest);

    /// A generation that has begun.
    ///
    /// @param partition of its prompt; null: any
    /// @param promptOffset null: the first of this id
    /// @throws UnavailableException if the log does not answer
    Optional<LoggedGeneration> generation(
            String generationId, Integer partition, Long promptOffset);

    /// Appends in order, without waiting.
    ///
    /// @param request headers of what asked for it: trace context and `x-` headers are passed on
    void append(AccuracyEvent event, Headers request);

    void deadLetter(ConsumerRecord<byte[], byte[]> original, ErrorCode code, String message);

    /// Returns when everything appended so far is durable.
    ///
    /// @throws UnavailableException if something could not be written
    void flush();
}
