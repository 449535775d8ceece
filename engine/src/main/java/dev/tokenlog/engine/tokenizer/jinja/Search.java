package dev.tokenlog.engine.tokenizer.jinja;

/// Finds a part of a text in time that grows with the text alone. `String.indexOf` takes the
/// product of both lengths where a text is made for it; it serves for short parts. For others this
/// is the algorithm of Knuth, Morris and Pratt (1977).
final class Search {

    private static final int SHORT = 32;

    private final String text;
    private final String part;
    private int[] forwards;
    private int[] backwards;

    Search(String text, String part) {
        this.text = text;
        this.part = part;
    }

    static boolean contains(String text, String part) {
        return new Search(text, part).from(0) >= 0;
    }

    /// The first place at or behind an index, or -1.
    int from(int index) {
        if (part.length() <= SHORT) {
            return text.indexOf(part, index);
        }
        if (forwards == null) {
            forwards = borders(false);
        }
        int matched = 0;
        for (int i = index; i < text.length(); i++) {
            matched = next(forwards, matched, text.charAt(i), false);
            if (matched == part.length()) {
                return i + 1 - matched;
            }
        }
        return -1;
    }

    /// The last place that ends at or before an index, or -1.
    int lastBefore(int end) {
        if (part.length() <= SHORT) {
            return end < part.length() ? -1 : text.lastIndexOf(part, end - part.length());
        }
        if (backwards == null) {
            backwards = borders(true);
        }
        int matched = 0;
        for (int i = end - 1; i >= 0; i--) {
            matched = next(backwards, matched, text.charAt(i), true);
            if (matched == part.length()) {
                return i;
            }
        }
        return -1;
    }

    /// For each length of a beginning of the part, its longest beginning that is its end as well.
    private int[] borders(boolean reversed) {
        int[] borders = new int[part.length() + 1];
        int matched = 0;
        for (int i = 1; i < part.length(); i++) {
            matched = next(borders, matched, at(i, reversed), reversed);
            borders[i + 1] = matched;
        }
        return borders;
    }

    private int next(int[] borders, int matched, char c, boolean reversed) {
        int length = matched;
        while (length > 0 && (length == part.length() || at(length, reversed) != c)) {
            length = borders[length];
        }
        return at(length, reversed) == c ? length + 1 : length;
    }

    private char at(int index, boolean reversed) {
        return part.charAt(reversed ? part.length() - 1 - index : index);
    }
}
