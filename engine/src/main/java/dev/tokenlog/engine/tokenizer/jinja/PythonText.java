package dev.tokenlog.engine.tokenizer.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// `str()` and `repr()` of Python, and its idea of white space.
final class PythonText {

    private final Budget budget;

    PythonText(Budget budget) {
        this.budget = budget;
    }

    String str(Object value) {
        return switch (value) {
            case String text -> text;
            case Values.Markup markup -> markup.text();
            case Values.Undefined _ -> "";
            case null, default -> {
                StringBuilder out = new StringBuilder();
                repr(value, out);
                budget.text(out.length());
                yield out.toString();
            }
        };
    }

    void repr(Object value, StringBuilder out) {
        budget.step();
        budget.enter();
        switch (value) {
            case null -> out.append("None");
            case Boolean truth -> out.append(truth ? "True" : "False");
            case Long number -> out.append(number);
            case BigInteger number -> out.append(number);
            case Double number -> out.append(number(number));
            case String text -> {
                budget.text(text.length());
                quoted(text, out);
            }
            case Values.Undefined _ -> out.append("Undefined");
            case Values.Namespace namespace -> {
                out.append("<Namespace ");
                repr(namespace.attributes(), out);
                out.append('>');
            }
            case Values.Tuple tuple -> {
                items(tuple, "(", tuple.size() == 1 ? ",)" : ")", out);
            }
            case List<?> list -> items(list, "[", "]", out);
            case Map<?, ?> map -> {
                String separator = "{";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.append(separator);
                    repr(entry.getKey(), out);
                    out.append(": ");
                    repr(entry.getValue(), out);
                    separator = ", ";
                }
                out.append(map.isEmpty() ? "{}" : "}");
            }
            case Values.Generator _ ->
                    throw new TemplateException("a generator has no text: it lacks '| list'");
            default -> throw new TemplateException("this value has no text");
        }
        budget.leave();
        if (out.length() > Budget.MAX_TEXT) {
            budget.text(out.length());
        }
    }

    private void items(List<?> list, String open, String close, StringBuilder out) {
        out.append(open);
        for (int i = 0; i < list.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            repr(list.get(i), out);
        }
        out.append(close);
    }

    private static void quoted(String text, StringBuilder out) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        text.codePoints()
                .forEach(c -> {
                    switch (c) {
                        case '\n' -> out.append("\\n");
                        case '\r' -> out.append("\\r");
                        case '\t' -> out.append("\\t");
                        case '\\' -> out.append("\\\\");
                        default -> {
                            if (c == quote) {
                                out.append('\\').append(quote);
                            } else if (isPrintable(c)) {
                                out.appendCodePoint(c);
                            } else {
                                out.append(escape(c));
                            }
                        }
                    }
                });
        out.append(quote);
    }

    private static boolean isPrintable(int c) {
        return c == ' '
                || switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SPACE_SEPARATOR ->
                            false;
                    default -> true;
                };
    }

    private static String escape(int c) {
        return c < 0x100
                ? String.format("\\x%02x", c)
                : c < 0x10000 ? String.format("\\u%04x", c) : String.format("\\U%08x", c);
    }

    /// `repr(float)`: the shortest digits that give the number back, with an exponent below 1e-4
    /// and from 1e16.
    static String number(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        String digits = decimal.unscaledValue().abs().toString();
        int exponent = digits.length() - decimal.scale() - 1;
        String sign = value < 0 ? "-" : "";
        if (exponent < -4 || exponent >= 16) {
            String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
            return sign
                    + digits.charAt(0)
                    + fraction
                    + "e"
                    + (exponent < 0 ? "-" : "+")
                    + String.format(Locale.ROOT, "%02d", Math.abs(exponent));
        }
        String plain = decimal.abs().toPlainString();
        return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
    }

    static boolean isSpace(int c) {
        return (c >= 9 && c <= 13) || (c >= 28 && c <= 31) || c == 0x85 || Character.isSpaceChar(c);
    }

    static boolean isNumeric(int c) {
        return switch (Character.getType(c)) {
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER ->
                    true;
            default -> false;
        };
    }

    static boolean isAlphanumeric(int c) {
        return Character.isLetter(c) || isNumeric(c);
    }

    static boolean isBlank(String text) {
        return text.chars().allMatch(PythonText::isSpace);
    }

    /// @param characters what to strip, or null for white space
    static String strip(String text, String characters, boolean left, boolean right) {
        BitSet set = new BitSet();
        if (characters != null) {
            characters.codePoints().forEach(set::set);
        }
        int start = 0;
        int end = text.length();
        while (left && start < end) {
            int c = text.codePointAt(start);
            if (characters == null ? !isSpace(c) : !set.get(c)) {
                break;
            }
            start += Character.charCount(c);
        }
        while (right && end > start) {
            int c = text.codePointBefore(end);
            if (characters == null ? !isSpace(c) : !set.get(c)) {
                break;
            }
            end -= Character.charCount(c);
        }
        return text.substring(start, end);
    }
}
