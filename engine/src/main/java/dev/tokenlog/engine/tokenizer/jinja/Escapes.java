package dev.tokenlog.engine.tokenizer.jinja;

/// Escapes of string literals, as Python's `unicode-escape` reads them: an unknown escape keeps its
/// backslash.
final class Escapes {

    private Escapes() {}

    static String decode(String literal) {
        if (literal.indexOf('\\') < 0) {
            return literal;
        }
        StringBuilder text = new StringBuilder(literal.length());
        int i = 0;
        while (i < literal.length()) {
            char c = literal.charAt(i++);
            if (c != '\\' || i == literal.length()) {
                text.append(c);
                continue;
            }
            char escape = literal.charAt(i++);
            switch (escape) {
                case '\n' -> {}
                case '\\', '\'', '"' -> text.append(escape);
                case 'a' -> text.append('\u0007');
                case 'b' -> text.append('\b');
                case 'f' -> text.append('\f');
                case 'n' -> text.append('\n');
                case 'r' -> text.append('\r');
                case 't' -> text.append('\t');
                case 'v' -> text.append('\u000b');
                case 'x' -> i = hex(literal, i, 2, text);
                case 'u' -> i = hex(literal, i, 4, text);
                case 'U' -> i = hex(literal, i, 8, text);
                case '0', '1', '2', '3', '4', '5', '6', '7' -> i = octal(literal, i - 1, text);
                default -> text.append('\\').append(escape);
            }
        }
        return text.toString();
    }

    private static int hex(String literal, int from, int digits, StringBuilder text) {
        int value = 0;
        for (int i = from; i < from + digits; i++) {
            int digit = i < literal.length() ? Character.digit(literal.charAt(i), 16) : -1;
            if (digit < 0 || value > Character.MAX_CODE_POINT) {
                throw new TemplateException("a string holds a broken escape");
            }
            value = value * 16 + digit;
        }
        if (value > Character.MAX_CODE_POINT || value < 0) {
            throw new TemplateException("a string holds a broken escape");
        }
        text.appendCodePoint(value);
        return from + digits;
    }

    private static int octal(String literal, int from, StringBuilder text) {
        int value = 0;
        int i = from;
        while (i < literal.length() && i < from + 3 && Character.digit(literal.charAt(i), 8) >= 0) {
            value = value * 8 + Character.digit(literal.charAt(i++), 8);
        }
        text.append((char) value);
        return i;
    }
}
