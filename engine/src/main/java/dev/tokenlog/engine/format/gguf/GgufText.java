package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.format.StrictJson;

/// Text that a file holds: decoded strictly, and made harmless before it is shown.
final class GgufText {

    private static final int SHOWN = 80;

    private GgufText() {}

    static String decode(byte[] utf8, String what) {
        return StrictJson.decode(utf8, what);
    }

    static String printable(String text) {
        String shown = text.length() > SHOWN ? text.substring(0, SHOWN) + "…" : text;
        return shown.replaceAll("\\p{Cntrl}", "?");
    }

    /// Names become lines of digests and of messages.
    static boolean isName(String text) {
        return !text.isEmpty() && text.chars().noneMatch(Character::isISOControl);
    }
}
