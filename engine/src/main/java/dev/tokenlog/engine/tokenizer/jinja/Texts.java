package dev.tokenlog.engine.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/// Python's work with strings; what makes longer ones asks the budget first.
final class Texts {

    private final Budget budget;

    Texts(Budget budget) {
        this.budget = budget;
    }

    String replace(String text, String old, String replacement, long count) {
        long occurrences = old.isEmpty() ? length(text) + 1 : count(text, old);
        long times = count < 0 ? occurrences : Math.min(count, occurrences);
        budget.text(text.length() + times * replacement.length());
        StringBuilder out = new StringBuilder();
        Search search = new Search(text, old);
        int at = 0;
        for (long i = 0; i < times; i++) {
            int found = old.isEmpty() ? at : search.from(at);
            int end = found + old.length();
            if (old.isEmpty()) {
                out.append(replacement);
                end = at < text.length() ? text.offsetByCodePoints(at, 1) : at;
                out.append(text, at, end);
            } else {
                out.append(text, at, found).append(replacement);
            }
            at = end;
        }
        return out.append(text, at, text.length()).toString();
    }

    long count(String text, String part) {
        budget.text(text.length());
        if (part.isEmpty()) {
            return length(text) + 1;
        }
        long count = 0;
        Search search = new Search(text, part);
        for (int i = search.from(0); i >= 0; i = search.from(i + part.length())) {
            count++;
        }
        return count;
    }

    private static long length(String text) {
        return text.codePointCount(0, text.length());
    }

    String join(String separator, List<String> parts) {
        long size = (long) separator.length() * parts.size();
        for (String part : parts) {
            size += part.length();
        }
        budget.text(size);
        return String.join(separator, parts);
    }

    List<Object> split(String text, String separator, long most) {
        budget.elements(text.length() / 8);
        List<Object> parts = new ArrayList<>();
        long left = most < 0 ? Long.MAX_VALUE : most;
        if (separator == null) {
            int start = nextWord(text, 0);
            while (start < text.length()) {
                budget.elements(1);
                int end = left == 0 ? text.length() : nextSpace(text, start);
                parts.add(text.substring(start, end));
                start = nextWord(text, end);
                left--;
            }
            return parts;
        }
        requireSeparator(separator);
        int at = 0;
        Search search = new Search(text, separator);
        for (int i = search.from(0); i >= 0 && left > 0; left--) {
            budget.elements(1);
            parts.add(text.substring(at, i));
            at = i + separator.length();
            i = search.from(at);
        }
        parts.add(text.substring(at));
        return parts;
    }

    private static int nextSpace(String text, int from) {
        int i = from;
        while (i < text.length() && !PythonText.isSpace(text.charAt(i))) {
            i++;
        }
        return i;
    }

    private static int nextWord(String text, int from) {
        int i = from;
        while (i < text.length() && PythonText.isSpace(text.charAt(i))) {
            i++;
        }
        return i;
    }

    private static void requireSeparator(String separator) {
        if (separator.isEmpty()) {
            throw new TemplateException("the separator is empty");
        }
    }

    List<Object> rsplit(String text, String separator, long most) {
        if (separator == null && most < 0) {
            return split(text, null, most);
        }
        budget.elements(text.length() / 8);
        List<Object> parts = new ArrayList<>();
        long left = most < 0 ? Long.MAX_VALUE : most;
        int end = separator == null ? endOfWord(text, text.length()) : text.length();
        if (separator != null) {
            requireSeparator(separator);
        }
        Search search = separator == null ? null : new Search(text, separator);
        for (; left > 0; left--) {
            int at = separator == null ? lastSpace(text, end) : search.lastBefore(end);
            if (at < 0) {
                break;
            }
            budget.elements(1);
            parts.add(text.substring(at + (separator == null ? 1 : separator.length()), end));
            end = separator == null ? endOfWord(text, at) : at;
        }
        if (separator != null || end > 0) {
            parts.add(text.substring(0, end));
        }
        Collections.reverse(parts);
        return parts;
    }

    /// Where the text ends that is left when blanks before this position are taken away.
    private static int endOfWord(String text, int end) {
        int i = end;
        while (i > 0 && PythonText.isSpace(text.charAt(i - 1))) {
            i--;
        }
        return i;
    }

    private static int lastSpace(String text, int end) {
        int i = end - 1;
        while (i >= 0 && !PythonText.isSpace(text.charAt(i))) {
            i--;
        }
        return i;
    }

    /// `str.splitlines`: more characters end a line than a line feed and a carriage return.
    List<Object> lines(String text, boolean withEnds) {
        budget.elements(text.length() / 8);
        List<Object> lines = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (!endsLine(text.charAt(i))) {
                continue;
            }
            int end = i;
            if (text.charAt(i) == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n') {
                i++;
            }
            budget.elements(1);
            lines.add(text.substring(start, withEnds ? i + 1 : end));
            start = i + 1;
        }
        if (start < text.length()) {
            lines.add(text.substring(start));
        }
        return lines;
    }

    private static boolean endsLine(char c) {
        return c >= '\n' && c <= '\r'
                || c >= 0x1c && c <= 0x1e
                || c == 0x85
                || c == 0x2028
                || c == 0x2029;
    }

    /// @param fill one character
    String padded(String text, long width, String fill, boolean left) {
        long missing = missing(text, width);
        String padding = fill.repeat((int) missing);
        return left ? padding + text : text + padding;
    }

    /// Where it cannot be even, an odd width has the longer side on the left, as in Python.
    String centered(String text, long width, String fill) {
        long missing = missing(text, width);
        long left = missing / 2 + (missing & width & 1);
        return fill.repeat((int) left) + text + fill.repeat((int) (missing - left));
    }

    private long missing(String text, long width) {
        budget.text(text.length() + 2 * Math.clamp(width, 0, Budget.MAX_TEXT));
        if (width > Budget.MAX_TEXT) {
            budget.text(Long.MAX_VALUE);
        }
        return Math.max(0, Math.max(0, width) - length(text));
    }

    /// `str.title`: upper case after anything that has no case.
    static String title(String text) {
        StringBuilder out = new StringBuilder(text.length());
        boolean inside = false;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            out.append(inside ? Character.toString(c).toLowerCase(Locale.ROOT) : titleCase(c));
            inside =
                    Character.isUpperCase(c)
                            || Character.isLowerCase(c)
                            || Character.isTitleCase(c);
            i += Character.charCount(c);
        }
        return out.toString();
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int second = text.offsetByCodePoints(0, 1);
        return titleCase(text.codePointAt(0)) + text.substring(second).toLowerCase(Locale.ROOT);
    }

    /// One character may become several: "ß" is "Ss".
    private static String titleCase(int c) {
        String upper = Character.toString(c).toUpperCase(Locale.ROOT);
        if (upper.codePointCount(0, upper.length()) == 1) {
            return Character.toString(Character.toTitleCase(c));
        }
        int second = upper.offsetByCodePoints(0, 1);
        return upper.substring(0, second) + upper.substring(second).toLowerCase(Locale.ROOT);
    }

    static String caseFolded(String text) {
        return text.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT).replace('ς', 'σ');
    }

    static String swapCase(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c -> {
                    String one = Character.toString(c);
                    out.append(
                            Character.isUpperCase(c)
                                    ? one.toLowerCase(Locale.ROOT)
                                    : one.toUpperCase(Locale.ROOT));
                });
        return out.toString();
    }
}
