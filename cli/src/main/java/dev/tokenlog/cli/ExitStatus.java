package dev.tokenlog.cli;

/// What a command's exit status says, to people and scripts.
final class ExitStatus {

    /// Done.
    static final int DONE = 0;

    /// The answer is no: FAIL, differs, not found, refused.
    static final int NO = 1;

    /// Wrong usage.
    static final int USAGE = 2;

    /// The environment lacks something: a broker, a writable folder, a JDK.
    static final int ENVIRONMENT = 3;

    /// Ctrl-C.
    static final int INTERRUPTED = 130;

    private ExitStatus() {}
}
