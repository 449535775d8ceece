package dev.tokenlog.engine.generation;

import java.util.List;

/// Looks for stop texts in a text that comes in pieces. Keeps no more of it than the longest stop
/// text needs.
final class StopTexts {

    private final List<String> texts;
    private final int longest;
    private final StringBuilder tail = new StringBuilder();

    StopTexts(List<String> texts) {
        this.texts = texts;
        this.longest = texts.stream().mapToInt(String::length).max().orElse(0);
    }

    /// @return the stop text that the text so far contains, the first in their list if there are
    ///   several, or null
    String find(String piece) {
        if (piece.isEmpty()) {
            return null;
        }
        tail.append(piece);
        for (String text : texts) {
            if (tail.indexOf(text) >= 0) {
                return text;
            }
        }
        if (tail.length() >= longest) {
            tail.delete(0, tail.length() - longest + 1);
        }
        return null;
    }
}
