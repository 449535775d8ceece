package dev.tokenlog.engine.hostile;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Spoils JSON and templates along their structure: most of what comes out still parses, and says
/// something that nobody would write.
final class TextMutations {

    private static final List<String> JSON_VALUES =
            List.of(
                    "0",
                    "1",
                    "-1",
                    "2",
                    "3",
                    "1024",
                    "65536",
                    "1048576",
                    "2147483647",
                    "2147483648",
                    "-2147483648",
                    "4294967296",
                    "1152921504606846976",
                    "9223372036854775807",
                    "-9223372036854775808",
                    "18446744073709551615",
                    "123456789012345678901234567890",
                    "0.5",
                    "-0.0",
                    "1e-320",
                    "1e-45",
                    "1e30",
                    "1e300",
                    "1e999",
                    "-1e999",
                    "1e999999999",
                    "NaN",
                    "Infinity",
                    "\"NaN\"",
                    "\"\"",
                    "\"x\"",
                    "\"\\u0000\"",
                    "\"\\ud800\"",
                    "\"\\u001b[2J\"",
                    "\"../../etc/passwd\"",
                    "\"/etc/passwd\"",
                    "\"" + "y".repeat(5000) + "\"",
                    "null",
                    "true",
                    "false",
                    "[]",
                    "{}",
                    "[null]",
                    "[0]",
                    "[[]]",
                    "{\"\": null}",
                    "[" + "0.5,".repeat(3000) + "1]");

    private static final String CHARACTERS = "{}[],:\"\\-.0eE \0\ufeff\u2028é";

    private static final List<String> TEMPLATE_PIECES =
            List.of(
                    "{{",
                    "}}",
                    "{%",
                    "%}",
                    "{#",
                    "#}",
                    "{%-",
                    "-%}",
                    "(",
                    ")",
                    "[",
                    "]",
                    "{",
                    "}",
                    "'",
                    "\"",
                    "\\",
                    "|",
                    "||",
                    ".",
                    "..",
                    ",",
                    ":",
                    "~",
                    "*",
                    "**",
                    "//",
                    "%",
                    "-",
                    "==",
                    "<",
                    "not ",
                    "in ",
                    "is ",
                    "and ",
                    "or ",
                    "if ",
                    "else ",
                    "for ",
                    "set ",
                    "macro ",
                    "loop",
                    "messages",
                    "range(1000000000)",
                    "'x' * 1000000000",
                    "2 ** 100000",
                    "9223372036854775807 + 1",
                    "-9223372036854775808 // -1",
                    "1 % 0",
                    "1 / 0",
                    "messages[-999999999999]",
                    "''.join(messages)",
                    "'%s' % 1",
                    "'{:999999999}'.format(1)",
                    "messages|tojson(indent=1000000)",
                    "''|center(99999999)",
                    "'a'|indent(1000000)",
                    "namespace()",
                    "self",
                    "caller()",
                    "messages[::0]",
                    "'abc'[::-1]",
                    "x.y.z",
                    "none.x",
                    "true + 1",
                    "1e999",
                    "'\\ud800'",
                    "'a'.replace('', 'b' * 1000000)",
                    "'a'.split('')",
                    "dict(a=1)",
                    "strftime_now('%" + "Y".repeat(50) + "')",
                    "raise_exception('x' * 100000)",
                    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                    "{% set ns = namespace(t='x') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t"
                            + " %}{% endfor %}{{ ns.t }}",
                    "{% if true %}",
                    "{% endif %}",
                    "{% endfor %}",
                    "{% generation %}");

    private static final Pattern TOKEN = Pattern.compile("-?[0-9][0-9.eE+-]*|true|false|null");

    private TextMutations() {}

    static String json(String text, RandomGenerator random) {
        String mutated = text;
        for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
            mutated = jsonOnce(mutated, random);
        }
        return mutated;
    }

    private static String jsonOnce(String text, RandomGenerator random) {
        List<int[]> spans = spans(text);
        if (spans.isEmpty() || random.nextInt(12) == 0) {
            return characters(text, random);
        }
        int[] span = spans.get(random.nextInt(spans.size()));
        String value = text.substring(span[0], span[1]);
        String before = text.substring(0, span[0]);
        String after = text.substring(span[1]);
        return switch (random.nextInt(10)) {
            case 0, 1, 2, 3 -> before + JSON_VALUES.get(random.nextInt(JSON_VALUES.size())) + after;
            case 4 -> {
                int depth = 1 + random.nextInt(random.nextInt(8) == 0 ? 20_000 : 40);
                yield before + "[".repeat(depth) + value + "]".repeat(depth) + after;
            }
            case 5 -> {
                int depth = 1 + random.nextInt(random.nextInt(8) == 0 ? 20_000 : 40);
                yield before + "{\"a\":".repeat(depth) + value + "}".repeat(depth) + after;
            }
            case 6 -> { // the value of another place
                int[] other = spans.get(random.nextInt(spans.size()));
                yield before + text.substring(other[0], other[1]) + after;
            }
            case 7 -> before + value + "," + value + after; // in a list: one more
            case 8 -> before + after;
            default -> twice(text, span);
        };
    }

    /// The member that has this value, twice.
    private static String twice(String text, int[] span) {
        int name = text.lastIndexOf('"', Math.max(0, text.lastIndexOf(':', span[0]) - 1));
        int begin = name < 1 ? -1 : text.lastIndexOf('"', name - 1);
        return begin < 0
                ? text
                : text.substring(0, span[1])
                        + ","
                        + text.substring(begin, span[1])
                        + text.substring(span[1]);
    }

    /// Strings, numbers and words, and whole lists and objects.
    private static List<int[]> spans(String text) {
        List<int[]> spans = new ArrayList<>();
        List<Integer> open = new ArrayList<>();
        Matcher token = TOKEN.matcher(text);
        int at = 0;
        while (at < text.length() && spans.size() < 20_000) {
            char c = text.charAt(at);
            if (c == '[' || c == '{') {
                open.add(at++);
            } else if (c == ']' || c == '}') {
                at++;
                if (!open.isEmpty()) {
                    spans.add(new int[] {open.removeLast(), at});
                }
            } else if (c == '"') {
                int end = endOfString(text, at);
                spans.add(new int[] {at, end});
                at = end;
            } else if (token.region(at, text.length()).lookingAt()) {
                spans.add(new int[] {at, token.end()});
                at = token.end();
            } else {
                at++;
            }
        }
        return spans;
    }

    private static int endOfString(String text, int begin) {
        int at = begin + 1;
        while (at < text.length() && text.charAt(at) != '"') {
            at += text.charAt(at) == '\\' ? 2 : 1;
        }
        return Math.min(at + 1, text.length());
    }

    static String template(String text, List<String> others, RandomGenerator random) {
        String mutated = text;
        for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
            mutated = templateOnce(mutated, others, random);
        }
        return mutated;
    }

    private static String templateOnce(String text, List<String> others, RandomGenerator random) {
        int at = random.nextInt(text.length() + 1);
        int end = Math.min(text.length(), at + random.nextInt(40));
        String piece = TEMPLATE_PIECES.get(random.nextInt(TEMPLATE_PIECES.size()));
        return switch (random.nextInt(7)) {
            case 0 -> text.substring(0, at) + piece + text.substring(at);
            case 1 -> text.substring(0, at) + piece + text.substring(end);
            case 2 -> text.substring(0, at) + text.substring(end);
            case 3 -> text.substring(0, at) + "{{ " + piece + " }}" + text.substring(at);
            case 4 -> {
                String other = others.get(random.nextInt(others.size()));
                yield text.substring(0, at) + other.substring(random.nextInt(other.length() + 1));
            }
            case 5 -> {
                String open =
                        List.of("(", "[", "{% if x %}", "not ", "-", "{{ (").get(random.nextInt(6));
                int depth = 1 + random.nextInt(random.nextInt(8) == 0 ? 20_000 : 300);
                yield text.substring(0, at) + open.repeat(depth) + text.substring(at);
            }
            default -> characters(text, random);
        };
    }

    private static String characters(String text, RandomGenerator random) {
        int at = random.nextInt(text.length() + 1);
        return switch (random.nextInt(3)) {
            case 0 -> text.substring(0, at);
            case 1 ->
                    text.substring(0, at)
                            + CHARACTERS.charAt(random.nextInt(CHARACTERS.length()))
                            + text.substring(at);
            default -> text.substring(0, at) + text.substring(Math.min(text.length(), at + 1));
        };
    }
}
