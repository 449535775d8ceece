package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// `json.dumps` with the arguments that transformers' `tojson` takes.
final class PythonJson {

    private final Budget budget;
    private final StringBuilder out = new StringBuilder();
    private final boolean ascii;
    private final boolean sorted;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;

    private PythonJson(Budget budget, Arguments arguments) {
        this.budget = budget;
        this.ascii = arguments.truth(0, "ensure_ascii");
        Object width = arguments.get(1, "indent", null);
        this.indent =
                switch (width) {
                    case null -> null;
                    case String text when text.length() <= 16 -> text;
                    case Long spaces when spaces <= 16 -> " ".repeat((int) Math.max(0, spaces));
                    default -> throw new TemplateException("indent must be a small number");
                };
        Object separators = arguments.get(2, "separators", null);
        if (separators == null) {
            itemSeparator = indent == null ? ", " : ",";
            keySeparator = ": ";
        } else if (separators instanceof List<?> pair
                && pair.size() == 2
                && pair.get(0) instanceof String item
                && pair.get(1) instanceof String key) {
            itemSeparator = item;
            keySeparator = key;
        } else {
            throw new TemplateException("separators must be two strings");
        }
        this.sorted = arguments.truth(3, "sort_keys");
    }

    static String write(Object value, Budget budget, Arguments arguments) {
        PythonJson json = new PythonJson(budget, arguments);
        json.write(value, 0);
        budget.text(json.out.length());
        return json.out.toString();
    }

    private void write(Object value, int level) {
        budget.step();
        budget.enter();
        switch (value) {
            case null -> out.append("null");
            case Boolean truth -> out.append(truth);
            case Long number -> out.append(number);
            case BigInteger number -> out.append(number);
            case Double number ->
                    out.append(
                            number.isNaN()
                                    ? "NaN"
                                    : number.isInfinite()
                                            ? (number > 0 ? "Infinity" : "-Infinity")
                                            : PythonText.number(number));
            case String text -> string(text);
            case List<?> list -> {
                out.append('[');
                for (int i = 0; i < list.size(); i++) {
                    separate(i, level + 1);
                    write(list.get(i), level + 1);
                }
                close(list.isEmpty(), level, ']');
            }
            case Map<?, ?> map -> object(map, level);
            case Values.Undefined undefined -> throw undefined.refused();
            default -> throw new TemplateException("this value cannot be written as JSON");
        }
        budget.leave();
        if (out.length() > Budget.MAX_TEXT) {
            budget.text(out.length());
        }
    }

    private void object(Map<?, ?> map, int level) {
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sorted) {
            entries.sort((a, b) -> compareKeys(a.getKey(), b.getKey()));
        }
        out.append('{');
        for (int i = 0; i < entries.size(); i++) {
            separate(i, level + 1);
            string(key(entries.get(i).getKey()));
            out.append(keySeparator);
            write(entries.get(i).getValue(), level + 1);
        }
        close(entries.isEmpty(), level, '}');
    }

    private static int compareKeys(Object left, Object right) {
        if (left instanceof String a && right instanceof String b) {
            return Operations.compareTexts(a, b);
        }
        if (Operations.isNumber(left) && Operations.isNumber(right)) {
            return Operations.compareNumbers(left, right);
        }
        throw Operations.refused("<", left, right);
    }

    private static String key(Object key) {
        return switch (key) {
            case String text -> text;
            case null -> "null";
            case Boolean truth -> truth.toString();
            case Long number -> number.toString();
            case Double number -> PythonText.number(number);
            default -> throw new TemplateException("a key cannot be written as JSON");
        };
    }

    private void separate(int index, int level) {
        out.append(index == 0 ? "" : itemSeparator);
        if (indent != null) {
            out.append('\n').repeat(indent, level);
        }
    }

    private void close(boolean empty, int level, char bracket) {
        if (indent != null && !empty) {
            out.append('\n').repeat(indent, level);
        }
        out.append(bracket);
    }

    private void string(String text) {
        budget.text(text.length());
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\f' -> out.append("\\f");
                case '\b' -> out.append("\\b");
                default -> {
                    if (c < 0x20 || (ascii && c > 0x7e)) {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
