package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Generator;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Namespace;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// Python's operators on template values.
final class Operations {

    private final Budget budget;
    private final PythonText text;

    Operations(Budget budget) {
        this.budget = budget;
        this.text = new PythonText(budget);
    }

    static boolean isTrue(Object value) {
        return switch (value) {
            case null -> false;
            case Boolean truth -> truth;
            case Long number -> number != 0;
            case Double number -> number != 0;
            case String string -> !string.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Markup markup -> !markup.text().isEmpty();
            case Undefined _ -> false;
            default -> true;
        };
    }

    String str(Object value) {
        return text.str(value);
    }

    /// Call before looking at all of a value that may be a text.
    void charge(Object value) {
        budget.text(value instanceof String string ? string.length() : 0);
    }

    boolean equal(Object left, Object right) {
        budget.step();
        if (left instanceof Undefined || right instanceof Undefined) {
            return left instanceof Undefined && right instanceof Undefined;
        }
        if (isNumber(left) && isNumber(right)) {
            return !isNan(left) && compareNumbers(left, right) == 0;
        }
        if (left instanceof String a && right instanceof String b) {
            budget.text(Math.min(a.length(), b.length()));
            return a.equals(b);
        }
        budget.enter();
        boolean same =
                switch (left) {
                    case List<?> a when right instanceof List<?> b ->
                            (a instanceof Tuple) == (b instanceof Tuple) && equalLists(a, b);
                    case Map<?, ?> a when right instanceof Map<?, ?> b -> equalMaps(a, b);
                    case Namespace _ -> left == right;
                    case Generator _ -> left == right;
                    case null, default -> Objects.equals(left, right);
                };
        budget.leave();
        return same;
    }

    private boolean equalLists(List<?> a, List<?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!equal(a.get(i), b.get(i))) {
                return false;
            }
        }
        return true;
    }

    private boolean equalMaps(Map<?, ?> a, Map<?, ?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (Map.Entry<?, ?> entry : a.entrySet()) {
            if (!b.containsKey(entry.getKey()) || !equal(entry.getValue(), b.get(entry.getKey()))) {
                return false;
            }
        }
        return true;
    }

    static boolean isNumber(Object value) {
        return value instanceof Long
                || value instanceof Double
                || value instanceof Boolean
                || value instanceof BigInteger;
    }

    /// Exact, also between integers and real numbers.
    static int compareNumbers(Object left, Object right) {
        if (isWhole(left) && isWhole(right)) {
            return whole(left).compareTo(whole(right));
        }
        double a = Numbers.toDouble(left);
        double b = Numbers.toDouble(right);
        boolean mixed = isWhole(left) || isWhole(right);
        if (mixed && Double.isFinite(a) && Double.isFinite(b)) {
            return exact(left).compareTo(exact(right));
        }
        return Double.compare(a + 0.0, b + 0.0);
    }

    private static boolean isWhole(Object number) {
        return !(number instanceof Double);
    }

    private static BigDecimal exact(Object number) {
        return number instanceof Double real ? new BigDecimal(real) : new BigDecimal(whole(number));
    }

    private static boolean isNan(Object value) {
        return value instanceof Double number && number.isNaN();
    }

    static BigInteger whole(Object number) {
        return switch (number) {
            case Boolean truth -> truth ? BigInteger.ONE : BigInteger.ZERO;
            case Long value -> BigInteger.valueOf(value);
            case BigInteger value -> value;
            default -> throw new TemplateException("expected an integer");
        };
    }

    /// Python's order of strings is that of code points, not of UTF-16 units.
    static int compareTexts(String left, String right) {
        return Arrays.compare(left.codePoints().toArray(), right.codePoints().toArray());
    }

    int compare(Object left, Object right) {
        budget.step();
        if (isNumber(left) && isNumber(right)) {
            return compareNumbers(left, right);
        }
        if (left instanceof String a && right instanceof String b) {
            budget.text(a.length() + b.length());
            return compareTexts(a, b);
        }
        if (left instanceof List<?> a
                && right instanceof List<?> b
                && (a instanceof Tuple) == (b instanceof Tuple)) {
            budget.enter();
            int order = 0;
            for (int i = 0; i < Math.min(a.size(), b.size()) && order == 0; i++) {
                order = equal(a.get(i), b.get(i)) ? 0 : compare(a.get(i), b.get(i));
            }
            budget.leave();
            return order != 0 ? order : Integer.compare(a.size(), b.size());
        }
        throw refused("<", left, right);
    }

    boolean contains(Object container, Object item) {
        return switch (container) {
            case String string when item instanceof String part -> {
                budget.text(string.length() + part.length());
                yield Search.contains(string, part);
            }
            case List<?> list -> {
                for (Object element : list) {
                    if (equal(element, item)) {
                        yield true;
                    }
                }
                yield false;
            }
            case Map<?, ?> map -> has(map, item);
            case Generator generator -> {
                Object end = new Object();
                for (Object o = generator.next(end); o != end; o = generator.next(end)) {
                    if (equal(o, item)) {
                        yield true;
                    }
                }
                yield false;
            }
            case Undefined _ -> false;
            case null, default -> throw refused("in", item, container);
        };
    }

    Object arithmetic(String operator, Object left, Object right) {
        if (operator.equals("~")) {
            String a = str(left);
            String b = str(right);
            budget.text((long) a.length() + b.length());
            return a + b;
        }
        if (left instanceof Undefined undefined) {
            throw undefined.refused();
        }
        if (right instanceof Undefined undefined) {
            throw undefined.refused();
        }
        if (operator.equals("%") && left instanceof String format) {
            return new PythonFormat(budget).percent(format, Markup.plain(right));
        }
        if (left instanceof Markup || right instanceof Markup) {
            return ofMarkup(operator, left, right);
        }
        if (isNumber(left) && isNumber(right)) {
            return Numbers.apply(operator, left, right);
        }
        if (operator.equals("+")) {
            if (left instanceof String a && right instanceof String b) {
                budget.text((long) a.length() + b.length());
                return a + b;
            }
            if (left instanceof List<?> a
                    && right instanceof List<?> b
                    && (a instanceof Tuple) == (b instanceof Tuple)) {
                budget.elements((long) a.size() + b.size());
                List<Object> joined = new ArrayList<>(a);
                joined.addAll(b);
                return a instanceof Tuple ? new Tuple(joined) : joined;
            }
        }
        if (operator.equals("*") && isCount(right)) {
            return repeated(left, right);
        }
        if (operator.equals("*") && isCount(left)) {
            return repeated(right, left);
        }
        throw refused(operator, left, right);
    }

    private Object ofMarkup(String operator, Object left, Object right) {
        boolean texts =
                Markup.plain(left) instanceof String && Markup.plain(right) instanceof String;
        if (operator.equals("+") && texts) {
            String joined = escaped(left) + escaped(right);
            budget.text(joined.length());
            return new Markup(joined);
        }
        if (operator.equals("*")) {
            return new Markup(str(arithmetic(operator, Markup.plain(left), Markup.plain(right))));
        }
        throw refused(operator, left, right);
    }

    private String escaped(Object value) {
        return value instanceof Markup markup
                ? markup.text()
                : Markup.escaped((String) value, budget).text();
    }

    private static boolean isCount(Object value) {
        return value instanceof Long || value instanceof Boolean;
    }

    private Object repeated(Object value, Object times) {
        long count = Math.max(0, whole(times).longValue());
        if (value instanceof String string) {
            budget.text(string.isEmpty() ? 0 : saturatedProduct(string.length(), count));
            return string.isEmpty() ? "" : string.repeat((int) count);
        }
        if (value instanceof List<?> list) {
            budget.elements(saturatedProduct(list.size(), count));
            List<Object> repeated = new ArrayList<>();
            for (long i = 0; !list.isEmpty() && i < count; i++) {
                repeated.addAll(list);
            }
            return list instanceof Tuple ? new Tuple(repeated) : repeated;
        }
        throw refused("*", value, times);
    }

    private static long saturatedProduct(long a, long b) {
        return Math.multiplyHigh(a, b) == 0 && a * b >= 0 ? a * b : Long.MAX_VALUE;
    }

    static TemplateException refused(String operator, Object left, Object right) {
        return new TemplateException(
                "cannot compute " + typeName(left) + " " + operator + " " + typeName(right));
    }

    static String typeName(Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean _ -> "bool";
            case Long _ -> "int";
            case BigInteger _ -> "int";
            case Double _ -> "float";
            case String _ -> "str";
            case Tuple _ -> "tuple";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Namespace _ -> "namespace";
            case Generator _ -> "generator";
            case Markup _ -> "Markup";
            case Undefined undefined -> "undefined " + undefined.what();
            default -> "function";
        };
    }

    /// The elements of a list, the keys of a map, the characters of a string.
    List<?> iterate(Object value) {
        return switch (value) {
            case List<?> list -> {
                budget.step();
                yield list;
            }
            case Map<?, ?> map -> {
                budget.elements(map.size());
                yield new ArrayList<>(map.keySet());
            }
            case String string -> {
                budget.elements(string.length());
                yield string.codePoints().mapToObj(Character::toString).toList();
            }
            case Generator generator -> generator.take();
            case Undefined _ -> List.of();
            case null, default ->
                    throw new TemplateException("cannot iterate over " + typeName(value));
        };
    }

    long length(Object value) {
        return switch (value) {
            case String string -> {
                budget.text(string.length());
                yield string.codePointCount(0, string.length());
            }
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Undefined _ -> 0;
            case null, default -> throw new TemplateException(typeName(value) + " has no length");
        };
    }

    /// Whether a map has this key. Only texts, numbers, truth values and None are ever keys:
    /// nothing else is hashed, since what a template nests may have any size.
    static boolean has(Map<?, ?> map, Object key) {
        if (key instanceof Map<?, ?> || (key instanceof List<?> && !(key instanceof Tuple))) {
            throw new TemplateException(typeName(key) + " cannot be a key");
        }
        return isKey(key) && map.containsKey(key);
    }

    private static boolean isKey(Object value) {
        return value == null || value instanceof String || isNumber(value);
    }

    /// `target[index]`, Undefined where there is none.
    Object item(Object target, Object index) {
        if (index instanceof Boolean truth && !(target instanceof Map<?, ?>)) {
            return item(target, truth ? 1L : 0L);
        }
        return switch (target) {
            case Map<?, ?> map -> has(map, index) ? map.get(index) : missing(index);
            case Namespace namespace ->
                    has(namespace.attributes(), index)
                            ? namespace.attributes().get(index)
                            : missing(index);
            case List<?> list when index instanceof Long position -> {
                long at = position < 0 ? position + list.size() : position;
                yield at >= 0 && at < list.size() ? list.get((int) at) : missing(index);
            }
            case String string when index instanceof Long position -> {
                long size = length(string);
                long at = position < 0 ? position + size : position;
                yield at >= 0 && at < size
                        ? Character.toString(
                                string.codePointAt(string.offsetByCodePoints(0, (int) at)))
                        : missing(index);
            }
            case Undefined undefined -> throw undefined.refused();
            case null, default -> missing(index);
        };
    }

    private static Undefined missing(Object index) {
        return new Undefined(
                "element "
                        + switch (index) {
                            case String name -> "'" + TemplateException.shown(name) + "'";
                            case Long number -> number.toString();
                            case null, default -> typeName(index);
                        });
    }

    Object slice(Object target, Object start, Object stop, Object step) {
        if (target instanceof Undefined undefined) {
            throw undefined.refused();
        }
        long stride = step == null ? 1 : bound(step);
        if (stride == 0) {
            throw new TemplateException("a slice's step is 0");
        }
        if (!(target instanceof String) && !(target instanceof List<?>)) {
            throw new TemplateException("cannot slice " + typeName(target));
        }
        List<?> elements = iterate(target);
        budget.elements(elements.size());
        int size = elements.size();
        long least = stride > 0 ? 0 : -1;
        long most = stride > 0 ? size : size - 1;
        long from = start == null ? (stride > 0 ? least : most) : clamp(start, size, least, most);
        long to = stop == null ? (stride > 0 ? most : least) : clamp(stop, size, least, most);
        List<Object> chosen = new ArrayList<>();
        for (long i = from; stride > 0 ? i < to : i > to; i += stride) {
            chosen.add(elements.get((int) i));
            if (stride > size || stride < -size) {
                break;
            }
        }
        if (target instanceof String) {
            StringBuilder joined = new StringBuilder();
            chosen.forEach(joined::append);
            return joined.toString();
        }
        return target instanceof Tuple ? new Tuple(chosen) : chosen;
    }

    private static long clamp(Object index, int size, long least, long most) {
        long value = bound(index);
        return Math.clamp(value < 0 ? value + size : value, least, most);
    }

    private static long bound(Object index) {
        return switch (index) {
            case Long number -> Math.clamp(number, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case Boolean truth -> truth ? 1 : 0;
            case null, default ->
                    throw new TemplateException("a slice needs integers, not " + typeName(index));
        };
    }

    /// The value of a key; tuples, which Python can hash as well, are not supported.
    static Object key(Object value) {
        if (isKey(value)) {
            return value;
        }
        throw new TemplateException(typeName(value) + " cannot be a key");
    }

    /// Pairs of key and value.
    List<Object> items(Map<?, ?> map) {
        budget.elements(map.size());
        List<Object> items = new ArrayList<>();
        map.forEach((key, value) -> {
            List<Object> pair = new ArrayList<>();
            pair.add(key);
            pair.add(value);
            items.add(new Tuple(pair));
        });
        return items;
    }
}
