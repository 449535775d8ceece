package dev.tokenlog.engine.tokenizer;

/// A token that is cut out of a text before the model of the tokenizer sees what is left.
///
/// @param special whether it has no text of its own when ids are decoded
/// @param normalized whether it is looked for in the normalized text, else in the text as it came
/// @param singleWord whether it counts only between boundaries of words
/// @param stripLeft whether it swallows white space before it
/// @param stripRight whether it swallows white space after it
public record AddedToken(
        int id,
        String content,
        boolean special,
        boolean normalized,
        boolean singleWord,
        boolean stripLeft,
        boolean stripRight) {

    public AddedToken {
        if (id < 0 || content.isEmpty()) {
            throw new IllegalArgumentException("added token " + id + " '" + content + "'");
        }
    }

    /// One that is found in the text as it came, wherever it stands.
    public static AddedToken plain(int id, String content, boolean special) {
        return new AddedToken(id, content, special, false, false, false, false);
    }

    AddedToken asSpecial() {
        return new AddedToken(id, content, true, normalized, singleWord, stripLeft, stripRight);
    }

    AddedToken withNormalized(boolean changed) {
        return new AddedToken(id, content, special, changed, singleWord, stripLeft, stripRight);
    }
}
