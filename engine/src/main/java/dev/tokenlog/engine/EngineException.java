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
        /// No trusted key has signed the model, and the operator asks for one that has.
        SIGNATURE_REFUSED,
        CONTEXT_TOO_LONG,
        PARAMETER_OUT_OF_RANGE,
        TEMPLATE_REFUSED,
        NON_FINITE,
        STORAGE_FAILED
    }

    /// Of a message, which becomes an event: names and values out of files may be of any length.
    static final int MAX_MESSAGE = 4000;

    private final Reason reason;

    public EngineException(Reason reason, String message) {
        super(printable(message));
        this.reason = reason;
    }

    public EngineException(Reason reason, String message, Throwable cause) {
        super(printable(message), cause);
        this.reason = reason;
    }

    /// Short enough for a record of the log, and without the control characters by which a name in
    /// a file could move a terminal's cursor.
    private static String printable(String message) {
        if (message == null) {
            return null;
        }
        int length = message.length();
        String shown = message;
        if (length > MAX_MESSAGE) {
            int half = MAX_MESSAGE / 2;
            shown =
                    message.substring(0, half)
                            + " … (%d characters) … ".formatted(length - MAX_MESSAGE)
                            + message.substring(length - half);
        }
        StringBuilder text = new StringBuilder(shown.length());
        shown.codePoints().map(c -> isPrintable(c) ? c : 0xfffd).forEach(text::appendCodePoint);
        return text.toString();
    }

    private static boolean isPrintable(int c) {
        boolean surrogate = c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
        return c == '\n' || c == '\t' || !(Character.isISOControl(c) || surrogate);
    }

    public Reason reason() {
        return reason;
    }
}
