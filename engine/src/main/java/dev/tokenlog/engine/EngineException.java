package dev.tokenlog.engine;

/// Bad data or an environment that cannot do what is asked: never a bad call. The message names
/// file, field, tensor or offset, and what was expected.
public class EngineException extends RuntimeException {

    /// What kind of refusal this is. Whoever talks to people or to a log maps it to their own codes
    /// by name.
    public enum Reason {
        SOURCE_NOT_FOUND,
        /// There, but not for us: a token is missing, or a licence has not been accepted.
        SOURCE_FORBIDDEN,
        /// Its place does not answer, or not now.
        SOURCE_UNAVAILABLE,
        SOURCE_UNREADABLE,
        UNSUPPORTED,
        MODEL_UNREADABLE,
        CONTEXT_TOO_LONG,
        PARAMETER_OUT_OF_RANGE,
        TEMPLATE_REFUSED,
        NON_FINITE,
        STORAGE_FAILED
    }

    private final Reason reason;

    public EngineException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public EngineException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
