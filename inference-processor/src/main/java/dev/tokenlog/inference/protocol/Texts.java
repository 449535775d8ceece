package dev.tokenlog.inference.protocol;

/// Words from elsewhere, before they are repeated on a topic.
final class Texts {

    static final int MAX_LENGTH = 1_000;

    private Texts() {}

    static String shortened(String text) {
        if (text == null || text.length() <= MAX_LENGTH) {
            return text;
        }
        int end = MAX_LENGTH;
        if (Character.isHighSurrogate(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(0, end) + "…";
    }
}
