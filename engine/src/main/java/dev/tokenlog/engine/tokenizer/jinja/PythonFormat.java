package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Python's two ways to put values into a text: `'%5.2f' % x` and `'{:>5.2f}'.format(x)`.
///
/// Left out, with a message: attributes and indices of fields (`{0.a}`), fields within a
/// specification (`{:{w}}`), widths from arguments (`%*d`), `%c`, and the types `n` and `c`.
final class PythonFormat {

    private static final Pattern PERCENT =
            Pattern.compile(
                    "%(?:\\((?<key>[^()]*)\\))?(?<flags>[-+ 0#]*)(?<width>\\d{0,9})"
                            + "(?:\\.(?<precision>\\d{0,3}))?(?<type>[a-zA-Z%])?");
    private static final Pattern FIELD =
            Pattern.compile("(?<name>[^!:{}]*)(?:!(?<conversion>[rsa]))?(?::(?<spec>[^{}]*))?");
    private static final Pattern SPEC =
            Pattern.compile(
                    "(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alternate>#)?(?<zero>0)?"
                            + "(?<width>\\d{0,9})(?<grouping>[,_])?(?:\\.(?<precision>\\d{1,3}))?"
                            + "(?<type>[bdeEfFgGosxX%])?",
                    Pattern.DOTALL);

    private final Budget budget;
    private final PythonText texts;
    private final Texts padding;

    PythonFormat(Budget budget) {
        this.budget = budget;
        this.texts = new PythonText(budget);
        this.padding = new Texts(budget);
    }

    /// `format % values`
    String percent(String format, Object values) {
        budget.text(format.length());
        StringBuilder out = new StringBuilder();
        List<?> sequence = values instanceof Tuple tuple ? tuple : null;
        int next = 0;
        boolean keyed = false;
        int at = 0;
        for (int i = format.indexOf('%'); i >= 0; i = format.indexOf('%', at)) {
            out.append(format, at, i);
            Matcher m = PERCENT.matcher(format).region(i, format.length());
            if (!m.lookingAt() || m.group("type") == null) {
                throw new TemplateException("an incomplete or unknown conversion after '%'");
            }
            at = m.end();
            if (m.group("type").equals("%")) {
                append(out, "%");
                continue;
            }
            Object value;
            if (m.group("key") != null) {
                if (!(values instanceof Map<?, ?> map) || !map.containsKey(m.group("key"))) {
                    throw new TemplateException("no value for '" + m.group("key") + "'");
                }
                value = map.get(m.group("key"));
                keyed = true;
            } else {
                if (next >= (sequence == null ? 1 : sequence.size())) {
                    throw new TemplateException("not enough values for the format");
                }
                value = sequence == null ? values : sequence.get(next);
                next++;
            }
            append(out, percent(m, value));
        }
        out.append(format, at, format.length());
        boolean rest =
                sequence == null
                        ? next == 0 && !(values instanceof Map<?, ?>)
                        : next < sequence.size();
        if (rest && !keyed) {
            throw new TemplateException("not all values are used by the format");
        }
        return out.toString();
    }

    private String percent(Matcher m, Object value) {
        String flags = m.group("flags");
        char type = m.group("type").charAt(0);
        boolean zero = flags.contains("0") && !flags.contains("-");
        String precision = m.group("precision");
        boolean number = "diuoxXeEfFgG".indexOf(type) >= 0;
        FieldStyle style =
                new FieldStyle(
                        zero && number ? "0" : " ",
                        flags.contains("-") ? '<' : zero && number ? '=' : '>',
                        flags.contains("+") ? "+" : flags.contains(" ") ? " " : "-",
                        flags.contains("#"),
                        m.group("width").isEmpty() ? 0 : Long.parseLong(m.group("width")),
                        "",
                        precision == null
                                ? -1
                                : precision.isEmpty() ? 0 : Integer.parseInt(precision),
                        type == 'i' || type == 'u' ? 'd' : type);
        return switch (style.type()) {
            case 's' -> style.text(texts.str(value), padding);
            case 'r' -> style.text(repr(value, false), padding);
            case 'a' -> style.text(repr(value, true), padding);
            case 'd', 'o', 'x', 'X' -> {
                if (style.precision() >= 0) {
                    throw new TemplateException("a precision of digits is not supported");
                }
                yield style.number(whole(value, style.type() == 'd'), padding);
            }
            case 'e', 'E', 'f', 'F', 'g', 'G' -> style.number(value, padding);
            default -> throw new TemplateException("the conversion %" + type + " is not supported");
        };
    }

    /// `format.format(…)`
    String braces(String format, Arguments arguments) {
        budget.text(format.length());
        StringBuilder out = new StringBuilder();
        int automatic = 0;
        boolean numbered = false;
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '{' && c != '}') {
                out.append(c);
                continue;
            }
            if (i + 1 < format.length() && format.charAt(i + 1) == c) {
                out.append(c);
                i++;
                continue;
            }
            int end = format.indexOf('}', i);
            if (c == '}' || end < 0) {
                throw new TemplateException("a single '" + c + "' in the format");
            }
            Matcher m = FIELD.matcher(format).region(i + 1, end);
            if (!m.matches()) {
                throw new TemplateException("a field that is not supported in the format");
            }
            String name = m.group("name");
            boolean digits = name.matches("\\d{1,9}");
            numbered |= digits;
            if (name.isEmpty() && numbered || digits && automatic > 0) {
                throw new TemplateException("numbered and unnumbered fields in one format");
            }
            Object value = field(name.isEmpty() ? Integer.toString(automatic++) : name, arguments);
            append(out, converted(value, m.group("conversion"), m.group("spec")));
            i = end;
        }
        return out.toString();
    }

    private static Object field(String name, Arguments arguments) {
        if (name.matches("\\d{1,9}")) {
            int index = Integer.parseInt(name);
            if (index >= arguments.positional().size()) {
                throw new TemplateException("not enough values for the format");
            }
            return arguments.positional().get(index);
        }
        if (name.contains(".") || name.contains("[")) {
            throw new TemplateException("attributes of fields are not supported: " + name);
        }
        if (!arguments.named().containsKey(name)) {
            throw new TemplateException("no value for '" + name + "'");
        }
        return arguments.named().get(name);
    }

    private String converted(Object value, String conversion, String spec) {
        Object subject =
                switch (conversion) {
                    case null -> value;
                    case "s" -> texts.str(value);
                    default -> repr(value, conversion.equals("a"));
                };
        if (spec == null || spec.isEmpty()) {
            return texts.str(subject);
        }
        Matcher m = SPEC.matcher(spec);
        if (!m.matches()) {
            throw new TemplateException("a specification that is not supported: " + spec);
        }
        boolean number = Operations.isNumber(subject);
        if (!number && !(subject instanceof String)) {
            throw new TemplateException(
                    Operations.typeName(subject) + " takes no specification: " + spec);
        }
        boolean zero = m.group("zero") != null;
        String align = m.group("align");
        String fill = m.group("fill");
        String type = m.group("type");
        char plain = !number ? 's' : subject instanceof Double ? 'r' : 'd';
        FieldStyle style =
                new FieldStyle(
                        fill != null ? fill : zero ? "0" : " ",
                        align != null ? align.charAt(0) : !number ? '<' : zero ? '=' : '>',
                        m.group("sign") == null ? "-" : m.group("sign"),
                        m.group("alternate") != null,
                        m.group("width").isEmpty() ? 0 : Long.parseLong(m.group("width")),
                        m.group("grouping") == null ? "" : m.group("grouping"),
                        m.group("precision") == null ? -1 : Integer.parseInt(m.group("precision")),
                        type == null ? plain : type.charAt(0));
        if (!number) {
            boolean numeric =
                    m.group("sign") != null
                            || style.alternate()
                            || style.align() == '='
                            || !style.grouping().isEmpty();
            if (style.type() != 's' || numeric) {
                throw new TemplateException("a text takes no such specification: " + spec);
            }
            return style.text((String) subject, padding);
        }
        if (style.type() == 's') {
            throw new TemplateException("a number takes no such specification: " + spec);
        }
        boolean integral = "bdoxX".indexOf(style.type()) >= 0;
        if (integral && (style.precision() >= 0 || subject instanceof Double)) {
            throw new TemplateException("a number takes no such specification: " + spec);
        }
        return style.number(integral ? Operations.whole(subject) : subject, padding);
    }

    private void append(StringBuilder out, String text) {
        long size = (long) out.length() + text.length();
        budget.text(size > Budget.MAX_TEXT ? size : text.length());
        out.append(text);
    }

    private String repr(Object value, boolean ascii) {
        StringBuilder out = new StringBuilder();
        texts.repr(value, out);
        if (ascii && out.chars().anyMatch(c -> c > 0x7e)) {
            throw new TemplateException("the conversion to ASCII is not supported");
        }
        return out.toString();
    }

    private static BigInteger whole(Object value, boolean truncated) {
        return switch (value) {
            case Double number when truncated && !number.isNaN() && !number.isInfinite() ->
                    new BigDecimal(number).toBigInteger();
            case Double _ -> throw new TemplateException("expected an integer");
            case Object number when Operations.isNumber(number) -> Operations.whole(number);
            case Undefined undefined -> throw undefined.refused();
            case null, default ->
                    throw new TemplateException(
                            "expected a number, not " + Operations.typeName(value));
        };
    }
}
