package dev.tokenlog.engine.tokenizer.jinja;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/// `datetime.strftime`, in English and UTC.
final class PythonTime {

    /// Characters of the longest directive's text, two for it: `Wednesday` for `%A`.
    static final int LONGEST = 5;

    private PythonTime() {}

    static String format(String format, Instant clock) {
        ZonedDateTime time = clock.atZone(ZoneOffset.UTC);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            char directive = format.charAt(++i);
            boolean unpadded = directive == '-' && i + 1 < format.length();
            if (unpadded) {
                directive = format.charAt(++i);
            }
            String text = directive(directive, time);
            out.append(unpadded ? text.replaceFirst("^0+(?=\\d)", "") : text);
        }
        return out.toString();
    }

    private static String directive(char directive, ZonedDateTime time) {
        String pattern =
                switch (directive) {
                    case 'Y' -> "uuuu";
                    case 'y' -> "uu";
                    case 'm' -> "MM";
                    case 'd' -> "dd";
                    case 'H' -> "HH";
                    case 'I' -> "hh";
                    case 'M' -> "mm";
                    case 'S' -> "ss";
                    case 'f' -> "SSSSSS";
                    case 'j' -> "DDD";
                    case 'B' -> "MMMM";
                    case 'b', 'h' -> "MMM";
                    case 'A' -> "EEEE";
                    case 'a' -> "EEE";
                    case 'p' -> "a";
                    case 'F' -> "uuuu-MM-dd";
                    case 'T', 'X' -> "HH:mm:ss";
                    case 'R' -> "HH:mm";
                    case 'D', 'x' -> "MM/dd/uu";
                    case '%' -> "'%'";
                    default -> throw new TemplateException("there is no time format %" + directive);
                };
        return DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time);
    }
}
