package dev.tokenlog.standalone;

/// The platform cannot start. The message is one line for a person and says what to do.
public final class PlatformException extends RuntimeException {

    public PlatformException(String message, Exception cause) {
        super(message, cause);
    }
}
