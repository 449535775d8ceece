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
        int at = 0;
        for (long i = 0; i < times; i++) {
            int found = text.indexOf(old, at);
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
        for (int i = text.indexOf(part); i >= 0; i = text.indexOf(part, i + part.length())) {
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
            String rest = PythonText.strip(text, null, true, false);
            while (!rest.isEmpty()) {
                int end = left == 0 ? rest.length() : firstSpace(rest);
                parts.add(left == 0 ? rest : rest.substring(0, end));
                rest = PythonText.strip(rest.substring(end), null, true, false);
                budget.text(rest.length());
                left--;
            }
            return parts;
        }
        requireSeparator(separator);
        int at = 0;
        for (int i = text.indexOf(separator); i >= 0 && left > 0; left--) {
            budget.elements(1);
            parts.add(text.substring(at, i));
            at = i + separator.length();
            i = text.indexOf(separator, at);
        }
        parts.add(text.substring(at));
        return parts;
    }

    private static int firstSpace(String text) {
        int i = 0;
        while (i < text.length() && !PythonText.isSpace(text.charAt(i))) {
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
        if (most < 0) {
            return split(text, separator, most);
        }
        if (separator == null) {
            throw new TemplateException("rsplit with a limit needs a separator");
        }
        requireSeparator(separator);
        budget.elements(text.length() / 8);
        List<Object> parts = new ArrayList<>();
        String rest = text;
        for (long left = most; left > 0; left--) {
            int at = rest.lastIndexOf(separator);
            if (at < 0) {
                break;
            }
            budget.text(rest.length());
            parts.add(rest.substring(at + separator.length()));
            rest = rest.substring(0, at);
        }
        parts.add(rest);
        Collections.reverse(parts);
        return parts;
    }

    List<Object> lines(String text) {
        budget.elements(text.length() / 8);
        return new ArrayList<>(text.lines().toList());
    }

    /// `str.title`: upper case after anything that is not a letter.
    static String title(String text) {
        StringBuilder out = new StringBuilder(text.length());
        boolean inside = false;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            out.appendCodePoint(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inside = Character.isLetter(c);
            i += Character.charCount(c);
        }
        return out.toString();
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return Character.toString(Character.toTitleCase(first))
                + text.substring(Character.charCount(first)).toLowerCase(Locale.ROOT);
    }
}
