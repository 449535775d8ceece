package dev.tokenlog.cli;

/// A command cannot do what was asked. The message is one line with the remedy.
final class CommandFailure extends RuntimeException {

    private final int status;

    CommandFailure(int status, String message) {
        this(status, message, null);
    }

    CommandFailure(int status, String message, Exception cause) {
        super(message, cause);
        this.status = status;
    }

    /// One of [ExitStatus].
    int status() {
        return status;
    }

    static CommandFailure usage(String message) {
        return new CommandFailure(ExitStatus.USAGE, message);
    }

    static CommandFailure no(String message) {
        return new CommandFailure(ExitStatus.NO, message);
    }

    static CommandFailure environment(String message) {
        return new CommandFailure(ExitStatus.ENVIRONMENT, message);
    }
}
