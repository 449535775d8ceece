package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// Filters that make texts of texts.
final class TextFilters {

    private static final Pattern WORD_START =
            Pattern.compile("([-\\s\\x1c-\\x1f\\x85\\p{Z}({\\[<]+)");

    private final Operations operations;
    private final Budget budget;
    private final Texts texts;

    TextFilters(Operations operations, Budget budget) {
        this.operations = operations;
        this.budget = budget;
        this.texts = new Texts(budget);
    }

    /// Any value as a text.
    String str(Object value) {
        return operations.str(value);
    }

    Object replace(Object value, Arguments a) {
        return texts.replace(
                str(value),
                str(a.require(0, "old")),
                str(a.require(1, "new")),
                a.given(2, "count", -1L) instanceof Long count ? count : a.integer(2, "count", -1));
    }

    Object trim(Object value, Arguments a) {
        String characters = a.get(0, "chars", null) == null ? null : a.text(0, "chars");
        return PythonText.strip(str(value), characters, true, true);
    }

    Object center(Object value, Arguments a) {
        return texts.centered(str(value), a.integer(0, "width", 80), " ");
    }

    Object format(Object value, Arguments a) {
        if (!a.positional().isEmpty() && !a.named().isEmpty()) {
            throw new TemplateException("format takes positional or named arguments, not both");
        }
        return new PythonFormat(budget)
                .percent(str(value), a.named().isEmpty() ? new Tuple(a.positional()) : a.named());
    }

    static String title(String text) {
        StringBuilder out = new StringBuilder();
        var matcher = WORD_START.matcher(text);
        int at = 0;
        while (matcher.find()) {
            titleWord(text.substring(at, matcher.start()), out);
            out.append(matcher.group());
            at = matcher.end();
        }
        titleWord(text.substring(at), out);
        return out.toString();
    }

    private static void titleWord(String word, StringBuilder out) {
        if (!word.isEmpty()) {
            int second = word.offsetByCodePoints(0, 1);
            out.append(word.substring(0, second).toUpperCase(Locale.ROOT));
            out.append(word.substring(second).toLowerCase(Locale.ROOT));
        }
    }

    /// Runs of letters, digits and underscores.
    static long words(String text) {
        long words = 0;
        boolean inside = false;
        for (int c : text.codePoints().toArray()) {
            boolean part = c == '_' || PythonText.isAlphanumeric(c);
            words += part && !inside ? 1 : 0;
            inside = part;
        }
        return words;
    }

    Object escape(Object value) {
        return value instanceof Markup ? value : Markup.escaped(str(value), budget);
    }

    String indent(Object value, Arguments a) {
        if (!(value instanceof String text)) {
            throw new TemplateException("indent of " + Operations.typeName(value));
        }
        Object width = a.get(0, "width", 4L);
        String prefix =
                switch (width) {
                    case String characters when characters.length() <= 1000 -> characters;
                    case Long spaces when spaces >= 0 && spaces <= 1000 ->
                            " ".repeat(spaces.intValue());
                    case null, default -> throw new TemplateException("indent by what?");
                };
        boolean first = a.truth(1, "first");
        boolean blank = a.truth(2, "blank");
        List<Object> lines = texts.lines(text + "\n", false);
        budget.text(text.length() + (long) prefix.length() * lines.size());
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            String line = (String) lines.get(i);
            boolean indented = i == 0 ? first : blank || !line.isEmpty();
            out.append(i == 0 ? "" : "\n").append(indented ? prefix : "").append(line);
        }
        return out.toString();
    }
}
