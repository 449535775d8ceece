package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
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

    /// How a number or a text is written.
    ///
    /// @param align one of `<`, `>`, `^`, and `=`: between sign and digits
    /// @param sign "-", "+" or " "
    /// @param grouping what stands between thousands, or ""
    /// @param precision -1: none
    private record Style(
            String fill,
            char align,
            String sign,
            boolean alternate,
            long width,
            String grouping,
            int precision,
            char type) {}

    /// `format % values`
    String percent(String format, Object values) {
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
        Style style =
                new Style(
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
            case 's' -> text(texts.str(value), style);
            case 'r' -> text(repr(value, false), style);
            case 'a' -> text(repr(value, true), style);
            case 'd', 'o', 'x', 'X' -> {
                if (style.precision() >= 0) {
                    throw new TemplateException("a precision of digits is not supported");
                }
                yield number(whole(value, style.type() == 'd'), style);
            }
            case 'e', 'E', 'f', 'F', 'g', 'G' -> number(value, style);
            default -> throw new TemplateException("the conversion %" + type + " is not supported");
        };
    }

    /// `format.format(…)`
    String braces(String format, Arguments arguments) {
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
        Style style =
                new Style(
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
            return text((String) subject, style);
        }
        if (style.type() == 's') {
            throw new TemplateException("a number takes no such specification: " + spec);
        }
        boolean integral = "bdoxX".indexOf(style.type()) >= 0;
        if (integral && (style.precision() >= 0 || subject instanceof Double)) {
            throw new TemplateException("a number takes no such specification: " + spec);
        }
        return number(integral ? Operations.whole(subject) : subject, style);
    }

    private void append(StringBuilder out, String text) {
        budget.text((long) out.length() + text.length());
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

    private String text(String text, Style style) {
        String shown = text;
        if (style.precision() >= 0 && style.precision() < text.codePointCount(0, text.length())) {
            shown = text.substring(0, text.offsetByCodePoints(0, style.precision()));
        }
        return padded("", shown, style);
    }

    /// @param value a [BigInteger], or another number
    private String number(Object value, Style style) {
        if (value instanceof BigInteger whole) {
            return signed(whole.signum() < 0, integral(whole.abs(), style), style);
        }
        if (!Operations.isNumber(value)) {
            throw new TemplateException("expected a number, not " + Operations.typeName(value));
        }
        double number = Numbers.toDouble(value);
        boolean negative = number < 0 || (number == 0 && 1 / number < 0);
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            throw new TemplateException("a number that is not finite cannot be formatted");
        }
        return signed(negative, grouped(real(Math.abs(number), style), style), style);
    }

    private String integral(BigInteger value, Style style) {
        String digits =
                switch (style.type()) {
                    case 'b' -> value.toString(2);
                    case 'o' -> value.toString(8);
                    case 'x' -> value.toString(16);
                    case 'X' -> value.toString(16).toUpperCase(Locale.ROOT);
                    default -> value.toString();
                };
        boolean decimal = style.type() == 'd';
        if (!style.grouping().isEmpty() && !decimal) {
            throw new TemplateException("groups are supported in decimal numbers only");
        }
        return (style.alternate() && !decimal ? "0" + style.type() : "") + grouped(digits, style);
    }

    private static String real(double number, Style style) {
        BigDecimal exact = new BigDecimal(number);
        int precision = style.precision() < 0 ? 6 : style.precision();
        if (style.alternate()) {
            throw new TemplateException("# is not supported for real numbers");
        }
        return switch (style.type()) {
            case 'f', 'F' -> exact.setScale(precision, RoundingMode.HALF_EVEN).toPlainString();
            case '%' ->
                    new BigDecimal(number * 100)
                                    .setScale(precision, RoundingMode.HALF_EVEN)
                                    .toPlainString()
                            + "%";
            case 'e' -> scientific(exact, precision);
            case 'E' -> scientific(exact, precision).toUpperCase(Locale.ROOT);
            case 'g' -> general(exact, precision);
            case 'G' -> general(exact, precision).toUpperCase(Locale.ROOT);
            default -> {
                if (style.precision() >= 0) {
                    throw new TemplateException("a precision needs a type, like 'f'");
                }
                yield PythonText.number(number);
            }
        };
    }

    private static String scientific(BigDecimal exact, int precision) {
        BigDecimal rounded = exact.round(new MathContext(precision + 1, RoundingMode.HALF_EVEN));
        int exponent = rounded.signum() == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
        StringBuilder digits = new StringBuilder(rounded.unscaledValue().toString());
        digits.repeat('0', Math.max(0, precision + 1 - digits.length()));
        digits.setLength(precision + 1);
        if (precision > 0) {
            digits.insert(1, '.');
        }
        return digits
                + (exponent < 0 ? "e-" : "e+")
                + String.format(Locale.ROOT, "%02d", Math.abs(exponent));
    }

    private static String general(BigDecimal exact, int precision) {
        int digits = Math.max(1, precision);
        BigDecimal rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
        int exponent = rounded.signum() == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
        if (exponent >= -4 && exponent < digits) {
            BigDecimal plain = exact.setScale(digits - 1 - exponent, RoundingMode.HALF_EVEN);
            BigDecimal stripped =
                    plain.signum() == 0 ? BigDecimal.ZERO : plain.stripTrailingZeros();
            return stripped.toPlainString();
        }
        String written = scientific(exact, digits - 1);
        int e = written.indexOf('e');
        String mantissa = written.substring(0, e);
        if (mantissa.contains(".")) {
            mantissa = mantissa.replaceAll("0+$", "").replaceAll("\\.$", "");
        }
        return mantissa + written.substring(e);
    }

    /// Groups of three digits before the point.
    private static String grouped(String number, Style style) {
        if (style.grouping().isEmpty()) {
            return number;
        }
        if (style.fill().equals("0") && style.align() == '=') {
            throw new TemplateException("groups with leading zeros are not supported");
        }
        int end = 0;
        while (end < number.length() && Character.isDigit(number.charAt(end))) {
            end++;
        }
        StringBuilder out = new StringBuilder(number);
        for (int i = end - 3; i > 0; i -= 3) {
            out.insert(i, style.grouping());
        }
        return out.toString();
    }

    private String signed(boolean negative, String digits, Style style) {
        String sign = negative ? "-" : style.sign().equals("-") ? "" : style.sign();
        return padded(sign, digits, style);
    }

    private String padded(String sign, String body, Style style) {
        return switch (style.align()) {
            case '<' -> padding.padded(sign + body, style.width(), style.fill(), false);
            case '>' -> padding.padded(sign + body, style.width(), style.fill(), true);
            case '^' -> {
                int length = sign.length() + body.codePointCount(0, body.length());
                long missing = Math.max(0, style.width() - length);
                String left = padding.padded("", missing / 2, style.fill(), true);
                yield padding.padded(left + sign + body, style.width(), style.fill(), false);
            }
            default -> {
                boolean prefixed =
                        body.startsWith("0")
                                && body.length() > 1
                                && Character.isLetter(body.charAt(1));
                String prefix = prefixed ? sign + body.substring(0, 2) : sign;
                String digits = prefixed ? body.substring(2) : body;
                yield prefix
                        + padding.padded(
                                digits, style.width() - prefix.length(), style.fill(), true);
            }
        };
    }
}
