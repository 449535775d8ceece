package dev.tokenlog.client;

import dev.tokenlog.contracts.ErrorCode;
import java.util.Optional;

/// What a client call could not do, and of which kind the obstacle is.
public final class TokenlogException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public enum Kind {
        /// No broker answers.
        UNREACHABLE,
        /// The cluster lacks topics, or has them with settings that do not work.
        TOPICS,
        /// The cluster does not let this client in, or not do this.
        NOT_ALLOWED,
        /// Nothing came in the time given.
        TIMEOUT,
        /// No topic holds what was asked for.
        NOT_FOUND,
        /// The log no longer holds what has to be read.
        LOG_GAP,
        /// Refused for the reason in [#code].
        REFUSED,
        /// The client, or the stream, was closed.
        CLOSED,
        /// The Kafka client failed in another way.
        FAILED
    }

    private final Kind kind;
    private final ErrorCode code;

    public TokenlogException(Kind kind, String message) {
        this(kind, message, null);
    }

    public TokenlogException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
        this.code = null;
    }

    private TokenlogException(ErrorCode code, String message) {
        super(message);
        this.kind = Kind.REFUSED;
        this.code = code;
    }

    static TokenlogException refused(ErrorCode code, String message) {
        return new TokenlogException(code, code + ": " + message);
    }

    public Kind kind() {
        return kind;
    }

    /// Present if [#kind] is [Kind#REFUSED].
    public Optional<ErrorCode> code() {
        return Optional.ofNullable(code);
    }
}
