package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Generator;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What may stand behind `is`.
final class Tests {

    @FunctionalInterface
    private interface Property {
        boolean holds(Operations operations, Object value);
    }

    @FunctionalInterface
    private interface Relation {
        boolean holds(Operations operations, Object value, Object argument);
    }

    private static final Map<String, Property> PROPERTIES =
            Map.ofEntries(
                    Map.entry("defined", (o, v) -> !(v instanceof Undefined)),
                    Map.entry("undefined", (o, v) -> v instanceof Undefined),
                    Map.entry("none", (o, v) -> v == null),
                    Map.entry("string", (o, v) -> v instanceof String),
                    Map.entry("mapping", (o, v) -> v instanceof Map<?, ?>),
                    Map.entry("number", (o, v) -> Operations.isNumber(v)),
                    Map.entry("integer", (o, v) -> isInteger(v)),
                    Map.entry("float", (o, v) -> v instanceof Double),
                    Map.entry("boolean", (o, v) -> v instanceof Boolean),
                    Map.entry("true", (o, v) -> Boolean.TRUE.equals(v)),
                    Map.entry("false", (o, v) -> Boolean.FALSE.equals(v)),
                    Map.entry(
                            "callable", (o, v) -> v instanceof Callable || v instanceof Undefined),
                    Map.entry("iterable", (o, v) -> isIterable(v)),
                    Map.entry("sequence", (o, v) -> isSequence(v) || v instanceof Undefined),
                    Map.entry("odd", (o, v) -> leaves(o, v, 2L, 1L)),
                    Map.entry("even", (o, v) -> leaves(o, v, 2L, 0L)),
                    Map.entry("lower", (o, v) -> isCase(o.str(v), false)),
                    Map.entry("upper", (o, v) -> isCase(o.str(v), true)),
                    Map.entry("filter", (o, v) -> v instanceof String s && Filters.exists(s)),
                    Map.entry("test", (o, v) -> v instanceof String s && exists(s)));

    private static final Map<String, Relation> RELATIONS = relations();

    private static Map<String, Relation> relations() {
        Map<String, Relation> relations = new HashMap<>();
        relations.put("divisibleby", (o, v, a) -> leaves(o, v, a, 0L));
        relations.put("in", (o, v, a) -> o.contains(a, v));
        relations.put("sameas", Tests::isSame);
        put(relations, (o, v, a) -> o.equal(v, a), "eq", "equalto", "==");
        put(relations, (o, v, a) -> !o.equal(v, a), "ne", "!=");
        put(relations, (o, v, a) -> o.compare(v, a) < 0, "lt", "lessthan", "<");
        put(relations, (o, v, a) -> o.compare(v, a) <= 0, "le", "<=");
        put(relations, (o, v, a) -> o.compare(v, a) > 0, "gt", "greaterthan", ">");
        put(relations, (o, v, a) -> o.compare(v, a) >= 0, "ge", ">=");
        return Map.copyOf(relations);
    }

    private static void put(
            Map<String, Relation> relations, Relation relation, String... itsNames) {
        for (String name : itsNames) {
            relations.put(name, relation);
        }
    }

    private Tests() {}

    static boolean exists(String name) {
        return PROPERTIES.containsKey(name) || RELATIONS.containsKey(name);
    }

    static boolean holds(String name, Operations operations, Object value, List<Object> arguments) {
        Property property = PROPERTIES.get(name);
        Relation relation = RELATIONS.get(name);
        if (property == null && relation == null) {
            throw new TemplateException("there is no test '" + name + "'");
        }
        operations.charge(value);
        int expected = property == null ? 1 : 0;
        if (arguments.size() != expected) {
            throw new TemplateException("the test '" + name + "' takes " + expected + " arguments");
        }
        return property == null
                ? relation.holds(operations, value, arguments.getFirst())
                : property.holds(operations, value);
    }

    private static boolean isInteger(Object value) {
        return value instanceof Long || value instanceof BigInteger;
    }

    private static boolean isIterable(Object value) {
        return isSequence(value) || value instanceof Undefined || value instanceof Generator;
    }

    private static boolean isSequence(Object value) {
        return value instanceof String || value instanceof List<?> || value instanceof Map<?, ?>;
    }

    private static boolean leaves(
            Operations operations, Object value, Object divisor, long remainder) {
        return operations.equal(Numbers.apply("%", value, divisor), remainder);
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
