package dev.tokenlog.engine.tokenizer.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/// How a number or a text is written.
///
/// @param align one of `<`, `>`, `^`, and `=`: between sign and digits
/// @param sign "-", "+" or " "
/// @param grouping what stands between thousands, or ""
/// @param precision -1: none
record FieldStyle(
        String fill,
        char align,
        String sign,
        boolean alternate,
        long width,
        String grouping,
        int precision,
        char type) {

    /// @param text in full: a precision cuts it
    String text(String text, Texts padding) {
        String shown = text;
        if (precision >= 0 && precision < text.codePointCount(0, text.length())) {
            shown = text.substring(0, text.offsetByCodePoints(0, precision));
        }
        return padded("", shown, padding);
    }

    /// @param value a [BigInteger], or another number
    String number(Object value, Texts padding) {
        if (value instanceof BigInteger whole) {
            return signed(whole.signum() < 0, integral(whole.abs()), padding);
        }
        if (!Operations.isNumber(value)) {
            throw new TemplateException("expected a number, not " + Operations.typeName(value));
        }
        double number = Numbers.toDouble(value);
        boolean negative = number < 0 || (number == 0 && 1 / number < 0);
        if (!Double.isFinite(type == '%' ? 100 * number : number)) {
            throw new TemplateException("a number that is not finite cannot be formatted");
        }
        return signed(negative, grouped(real(Math.abs(number))), padding);
    }

    private String integral(BigInteger value) {
        String digits =
                switch (type) {
                    case 'b' -> value.toString(2);
                    case 'o' -> value.toString(8);
                    case 'x' -> value.toString(16);
                    case 'X' -> value.toString(16).toUpperCase(Locale.ROOT);
                    default -> value.toString();
                };
        boolean decimal = type == 'd';
        if (!grouping.isEmpty() && !decimal) {
            throw new TemplateException("groups are supported in decimal numbers only");
        }
        return grouped(digits);
    }

    private String real(double number) {
        BigDecimal exact = new BigDecimal(number);
        int digits = precision < 0 ? 6 : precision;
        if (alternate) {
            throw new TemplateException("# is not supported for real numbers");
        }
        return switch (type) {
            case 'f', 'F' -> exact.setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
            case '%' ->
                    new BigDecimal(number * 100)
                                    .setScale(digits, RoundingMode.HALF_EVEN)
                                    .toPlainString()
                            + "%";
            case 'e' -> scientific(exact, digits);
            case 'E' -> scientific(exact, digits).toUpperCase(Locale.ROOT);
            case 'g' -> general(exact, digits);
            case 'G' -> general(exact, digits).toUpperCase(Locale.ROOT);
            default -> {
                if (precision >= 0) {
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
    private String grouped(String number) {
        if (grouping.isEmpty()) {
            return number;
        }
        if (fill.equals("0") && align == '=') {
            throw new TemplateException("groups with leading zeros are not supported");
        }
        int end = 0;
        while (end < number.length() && Character.isDigit(number.charAt(end))) {
            end++;
        }
        StringBuilder out = new StringBuilder(number);
        for (int i = end - 3; i > 0; i -= 3) {
            out.insert(i, grouping);
        }
        return out.toString();
    }

    private String signed(boolean negative, String digits, Texts padding) {
        String sign = negative ? "-" : sign().equals("-") ? "" : sign();
        String prefix = alternate && "boxX".indexOf(type) >= 0 ? "0" + type : "";
        return padded(sign + prefix, digits, padding);
    }

    private String padded(String sign, String body, Texts padding) {
        return switch (align) {
            case '<' -> padding.padded(sign + body, width, fill, false);
            case '>' -> padding.padded(sign + body, width, fill, true);
            case '^' -> {
                int length = sign.length() + body.codePointCount(0, body.length());
                long missing = Math.max(0, width - length);
                String left = padding.padded("", missing / 2, fill, true);
                yield padding.padded(left + sign + body, width, fill, false);
            }
            default -> sign + padding.padded(body, width - sign.length(), fill, true);
        };
    }
}
