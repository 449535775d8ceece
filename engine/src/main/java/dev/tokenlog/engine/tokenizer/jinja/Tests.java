package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What may stand behind `is`.
final class Tests {

    private interface Test {
        boolean holds(Operations operations, Object value, List<Object> arguments);
    }

    private static final Map<String, Test> TESTS =
            Map.ofEntries(
                    Map.entry("defined", (o, v, a) -> !(v instanceof Undefined)),
                    Map.entry("undefined", (o, v, a) -> v instanceof Undefined),
                    Map.entry("none", (o, v, a) -> v == null),
                    Map.entry("string", (o, v, a) -> v instanceof String),
                    Map.entry("mapping", (o, v, a) -> v instanceof Map<?, ?>),
                    Map.entry("number", (o, v, a) -> Operations.isNumber(v)),
                    Map.entry("integer", (o, v, a) -> isInteger(v)),
                    Map.entry("float", (o, v, a) -> v instanceof Double),
                    Map.entry("boolean", (o, v, a) -> v instanceof Boolean),
                    Map.entry("true", (o, v, a) -> Boolean.TRUE.equals(v)),
                    Map.entry("false", (o, v, a) -> Boolean.FALSE.equals(v)),
                    Map.entry("callable", (o, v, a) -> v instanceof Callable),
                    Map.entry("iterable", (o, v, a) -> isSequence(v) || v instanceof Undefined),
                    Map.entry("sequence", (o, v, a) -> isSequence(v)),
                    Map.entry("odd", (o, v, a) -> remainder(v, 2) == 1),
                    Map.entry("even", (o, v, a) -> remainder(v, 2) == 0),
                    Map.entry("divisibleby", (o, v, a) -> remainder(v, first(a)) == 0),
                    Map.entry("lower", (o, v, a) -> isCase(o.str(v), false)),
                    Map.entry("upper", (o, v, a) -> isCase(o.str(v), true)),
                    Map.entry("in", (o, v, a) -> o.contains(first(a), v)),
                    Map.entry("eq", (o, v, a) -> o.equal(v, first(a))),
                    Map.entry("equalto", (o, v, a) -> o.equal(v, first(a))),
                    Map.entry("ne", (o, v, a) -> !o.equal(v, first(a))),
                    Map.entry("lt", (o, v, a) -> o.compare(v, first(a)) < 0),
                    Map.entry("lessthan", (o, v, a) -> o.compare(v, first(a)) < 0),
                    Map.entry("le", (o, v, a) -> o.compare(v, first(a)) <= 0),
                    Map.entry("gt", (o, v, a) -> o.compare(v, first(a)) > 0),
                    Map.entry("greaterthan", (o, v, a) -> o.compare(v, first(a)) > 0),
                    Map.entry("ge", (o, v, a) -> o.compare(v, first(a)) >= 0),
                    Map.entry("sameas", (o, v, a) -> isSame(o, v, first(a))));

    private Tests() {}

    static boolean exists(String name) {
        return TESTS.containsKey(name);
    }

    static boolean holds(String name, Operations operations, Object value, List<Object> arguments) {
        Test test = TESTS.get(name);
        if (test == null) {
            throw new TemplateException("there is no test '" + name + "'");
        }
        return test.holds(operations, value, arguments);
    }

    private static Object first(List<Object> arguments) {
        if (arguments.isEmpty()) {
            throw new TemplateException("a test lacks its argument");
        }
        return arguments.getFirst();
    }

    private static boolean isInteger(Object value) {
        return value instanceof Long || value instanceof BigInteger;
    }

    private static boolean isSequence(Object value) {
        return value instanceof String || value instanceof List<?> || value instanceof Map<?, ?>;
    }

    private static long remainder(Object value, Object divisor) {
        if (Numbers.apply("%", value, divisor) instanceof Long remainder) {
            return remainder;
        }
        throw new TemplateException("expected an integer");
    }

    private static long remainder(Object value, long divisor) {
        return remainder(value, (Object) divisor);
    }

    /// Python's `islower` and `isupper`: no character of the other case, and at least one of this.
    static boolean isCase(String text, boolean upper) {
        String folded = upper ? text.toUpperCase(Locale.ROOT) : text.toLowerCase(Locale.ROOT);
        String other = upper ? text.toLowerCase(Locale.ROOT) : text.toUpperCase(Locale.ROOT);
        return text.equals(folded) && !text.equals(other);
    }

    private static boolean isSame(Operations operations, Object left, Object right) {
        return left == right
                || (Operations.typeName(left).equals(Operations.typeName(right))
                        && !(left instanceof List<?>)
                        && !(left instanceof Map<?, ?>)
                        && operations.equal(left, right));
    }
}
