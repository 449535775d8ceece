package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.regex.Pattern;

/// Filters that make numbers.
final class NumberFilters {

    private static final Pattern REAL =
            Pattern.compile("[+-]?(\\d{1,400}(\\.\\d{0,400})?|\\.\\d{1,400})([eE][+-]?\\d{1,3})?");

    private NumberFilters() {}

    private static String stripped(String text) {
        return PythonText.strip(text, null, true, true);
    }

    static Object absolute(Object value) {
        return switch (value) {
            case Long number when number != Long.MIN_VALUE -> Math.abs(number);
            case Double number -> Math.abs(number);
            case Boolean truth -> truth ? 1L : 0L;
            case null, default ->
                    throw new TemplateException("abs of " + Operations.typeName(value));
        };
    }

    static Object toInt(Object value, Arguments a) {
        Object fallback = a.get(0, "default", 0L);
        return switch (value) {
            case Long number -> number;
            case BigInteger number -> number;
            case Boolean truth -> truth ? 1L : 0L;
            case Double number -> whole(number, fallback);
            case String text when stripped(text).matches("[+-]?\\d{1,4300}") ->
                    Numbers.narrow(new BigInteger(stripped(text)));
            case String text when REAL.matcher(stripped(text)).matches() ->
                    whole(Double.parseDouble(stripped(text)), fallback);
            case Undefined undefined -> throw undefined.refused();
            case null, default -> fallback;
        };
    }

    private static Object whole(double number, Object fallback) {
        if (Double.isInfinite(number)) {
            throw new TemplateException("an infinite number is no integer");
        }
        return Double.isNaN(number)
                ? fallback
                : Numbers.narrow(new BigDecimal(number).toBigInteger());
    }

    static Object toFloat(Object value, Arguments a) {
        return switch (value) {
            case Double number -> number;
            case String text when REAL.matcher(stripped(text)).matches() ->
                    Double.parseDouble(stripped(text));
            case Object number when Operations.isNumber(number) -> Numbers.toDouble(number);
            case Undefined undefined -> throw undefined.refused();
            case null, default -> a.get(0, "default", 0.0);
        };
    }

    /// Python's `round` for the method `common`, where integers stay integers; `floor` and `ceil`
    /// of the number times a power of ten, as jinja2 computes them.
    static Object round(Object value, Arguments a) {
        if (!Operations.isNumber(value)) {
            throw new TemplateException("round of " + Operations.typeName(value));
        }
        int precision = Math.toIntExact(Math.clamp(a.integer(0, "precision", 0), -300, 300));
        String method = a.has(1, "method") ? a.text(1, "method") : "common";
        if (method.equals("floor") || method.equals("ceil")) {
            double power = Math.pow(10, precision);
            double scaled = Numbers.toDouble(value) * power;
            return ((method.equals("floor") ? Math.floor(scaled) : Math.ceil(scaled)) + 0.0)
                    / power;
        }
        if (!method.equals("common")) {
            throw new TemplateException("round by common, ceil or floor");
        }
        if (!(value instanceof Double number)) {
            return Numbers.narrow(
                    new BigDecimal(Operations.whole(value))
                            .setScale(Math.min(precision, 0), RoundingMode.HALF_EVEN)
                            .toBigInteger());
        }
        if (number.isNaN() || number.isInfinite()) {
            return number;
        }
        double rounded =
                new BigDecimal(number).setScale(precision, RoundingMode.HALF_EVEN).doubleValue();
        return Math.copySign(rounded, number);
    }
}
