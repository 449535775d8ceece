package dev.tokenlog.contracts;

import java.util.Objects;

/// A record's value is not an event that this reader can take.
///
/// Its code is [ErrorCode#UNREADABLE] (no JSON in UTF-8), [ErrorCode#INVALID_SHAPE] (JSON of
/// another shape), [ErrorCode#PARAMETER_OUT_OF_RANGE] (a number beyond what its field can hold) or
/// [ErrorCode#UNKNOWN_VERSION] (a type or schema version from elsewhere).
public final class UnreadableEventException extends Exception {

    private static final long serialVersionUID = 1L;

    private final ErrorCode code;

    public UnreadableEventException(ErrorCode code, String message) {
        this(code, message, null);
    }

    public UnreadableEventException(ErrorCode code, String message, Exception cause) {
        super(message, cause);
        this.code = Objects.requireNonNull(code);
    }

    public ErrorCode code() {
        return code;
    }
}
