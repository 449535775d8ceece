package dev.tokenlog.embeddedkafka;

/// The broker could not be started, or ended. The message is one line for a person and says what to
/// do; [#reason()] is for programs.
public final class EmbeddedKafkaException extends RuntimeException {

    /// What was in the way.
    public enum Reason {
        /// Somebody else listens on the requested port.
        PORT_IN_USE,
        /// The data folder cannot be created or written.
        FOLDER_NOT_WRITABLE,
        /// Another broker works on the same data folder.
        FOLDER_LOCKED,
        /// Less free space than a broker needs to start.
        DISK_FULL,
        /// Anything else; the message names the log file.
        START_FAILED
    }

    private final Reason reason;

    public EmbeddedKafkaException(Reason reason, String message) {
        this(reason, message, null);
    }

    public EmbeddedKafkaException(Reason reason, String message, Exception cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
