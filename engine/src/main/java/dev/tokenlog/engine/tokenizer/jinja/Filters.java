package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;

/// What may stand behind `|`.
final class Filters {

    private interface Filter {
        Object apply(Filters filters, Object value, Arguments arguments);
    }

    private static final Map<String, Filter> FILTERS =
            Map.ofEntries(
                    Map.entry("abs", (f, v, a) -> absolute(v)),
                    Map.entry("capitalize", (f, v, a) -> Texts.capitalize(f.str(v))),
                    Map.entry("count", (f, v, a) -> f.operations.length(v)),
                    Map.entry("d", (f, v, a) -> fallback(v, a)),
                    Map.entry("default", (f, v, a) -> fallback(v, a)),
                    Map.entry("dictsort", (f, v, a) -> f.sortedItems(v, a)),
                    Map.entry("e", (f, v, a) -> f.escape(f.str(v))),
                    Map.entry("escape", (f, v, a) -> f.escape(f.str(v))),
                    Map.entry("first", (f, v, a) -> f.end(v, false)),
                    Map.entry("float", (f, v, a) -> toFloat(v, a)),
                    Map.entry("indent", (f, v, a) -> f.indent(f.str(v), a)),
                    Map.entry("int", (f, v, a) -> toInt(v, a)),
                    Map.entry("items", (f, v, a) -> items(v)),
                    Map.entry("join", (f, v, a) -> f.join(v, a)),
                    Map.entry("last", (f, v, a) -> f.end(v, true)),
                    Map.entry("length", (f, v, a) -> f.operations.length(v)),
                    Map.entry("list", (f, v, a) -> f.copy(v)),
                    Map.entry("lower", (f, v, a) -> f.str(v).toLowerCase(Locale.ROOT)),
                    Map.entry("map", (f, v, a) -> f.map(v, a)),
                    Map.entry("max", (f, v, a) -> f.extreme(v, 1)),
                    Map.entry("min", (f, v, a) -> f.extreme(v, -1)),
                    Map.entry("reject", (f, v, a) -> f.select(v, a, false, false)),
                    Map.entry("rejectattr", (f, v, a) -> f.select(v, a, true, false)),
                    Map.entry("replace", (f, v, a) -> f.replace(v, a)),
                    Map.entry("reverse", (f, v, a) -> f.reverse(v)),
                    Map.entry("round", (f, v, a) -> f.round(v, a)),
                    Map.entry("safe", (f, v, a) -> f.str(v)),
                    Map.entry("select", (f, v, a) -> f.select(v, a, false, true)),
                    Map.entry("selectattr", (f, v, a) -> f.select(v, a, true, true)),
                    Map.entry("sort", (f, v, a) -> f.sort(v, a)),
                    Map.entry("string", (f, v, a) -> f.str(v)),
                    Map.entry("sum", (f, v, a) -> f.sum(v, a)),
                    Map.entry("title", (f, v, a) -> title(f.str(v))),
                    Map.entry("tojson", (f, v, a) -> PythonJson.write(v, f.budget, a)),
                    Map.entry("trim", (f, v, a) -> f.trim(v, a)),
                    Map.entry("unique", (f, v, a) -> f.unique(v, a)),
                    Map.entry("upper", (f, v, a) -> f.str(v).toUpperCase(Locale.ROOT)),
                    Map.entry("wordcount", (f, v, a) -> (long) f.words(v)));

    private static final Pattern WORD_START = Pattern.compile("([-\\s({\\[<]+)");

    private final Operations operations;
    private final Budget budget;
    private final Texts texts;

    Filters(Operations operations, Budget budget) {
        this.operations = operations;
        this.budget = budget;
        this.texts = new Texts(budget);
    }

    static boolean exists(String name) {
        return FILTERS.containsKey(name);
    }

    Object apply(String name, Object value, Arguments arguments) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw new TemplateException("there is no filter '" + name + "'");
        }
        return filter.apply(this, value, arguments);
    }

    private String str(Object value) {
        String text = operations.str(value);
        budget.text(text.length());
        return text;
    }

    private static Object fallback(Object value, Arguments a) {
        boolean alsoFalse = Operations.isTrue(a.get(1, "boolean", false));
        boolean replaced = value instanceof Undefined || (alsoFalse && !Operations.isTrue(value));
        return replaced ? a.get(0, "default_value", "") : value;
    }

    private static Object absolute(Object value) {
        return switch (value) {
            case Long number when number != Long.MIN_VALUE -> Math.abs(number);
            case Double number -> Math.abs(number);
            case null, default ->
                    throw new TemplateException("abs of " + Operations.typeName(value));
        };
    }

    private static Object toInt(Object value, Arguments a) {
        Object fallback = a.get(0, "default", 0L);
        return switch (value) {
            case Long number -> number;
            case Boolean truth -> truth ? 1L : 0L;
            case Double number when !number.isNaN() && Math.abs(number) < 0x1p63 ->
                    number.longValue();
            case String text when text.strip().matches("[+-]?\\d{1,18}") ->
                    Long.parseLong(text.strip());
            case String text when text.strip().matches("[+-]?\\d{1,15}\\.\\d{0,15}") ->
                    (long) Double.parseDouble(text.strip());
            case null, default -> fallback;
        };
    }

    private static Object toFloat(Object value, Arguments a) {
        return switch (value) {
            case Double number -> number;
            case String text
                    when text.strip()
                            .matches("[+-]?\\d{1,30}(\\.\\d{0,30})?([eE][+-]?\\d{1,3})?") ->
                    Double.parseDouble(text.strip());
            case Object number when Operations.isNumber(number) -> Numbers.toDouble(number);
            case null, default -> a.get(0, "default", 0.0);
        };
    }

    private Object round(Object value, Arguments a) {
        if (!Operations.isNumber(value)) {
            throw new TemplateException("round of " + Operations.typeName(value));
        }
        int precision = Math.toIntExact(Math.clamp(a.integer(0, "precision", 0), -300, 300));
        RoundingMode mode =
                switch (operations.str(a.get(1, "method", "common"))) {
                    case "ceil" -> RoundingMode.CEILING;
                    case "floor" -> RoundingMode.FLOOR;
                    default -> RoundingMode.HALF_EVEN;
                };
        double number = Numbers.toDouble(value);
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            return number;
        }
        return new BigDecimal(number).setScale(precision, mode).doubleValue();
    }

    private static Object items(Object value) {
        return switch (value) {
            case Map<?, ?> map -> Methods.items(map);
            case Undefined _ -> List.of();
            case null, default ->
                    throw new TemplateException("items of " + Operations.typeName(value));
        };
    }

    private List<Object> copy(Object value) {
        List<?> elements = operations.iterate(value);
        budget.elements(elements.size());
        return new ArrayList<>(elements);
    }

    private Object end(Object value, boolean last) {
        List<?> elements = operations.iterate(value);
        if (elements.isEmpty()) {
            return new Undefined("an element of an empty sequence");
        }
        return last ? elements.getLast() : elements.getFirst();
    }

    private Object reverse(Object value) {
        if (value instanceof String text) {
            budget.text(text.length());
            return new StringBuilder(text).reverse().toString();
        }
        List<Object> reversed = copy(value);
        Collections.reverse(reversed);
        return reversed;
    }

    private Object join(Object value, Arguments a) {
        String separator = operations.str(a.get(0, "d", ""));
        Function<Object, Object> attribute = attribute(a.get(1, "attribute", null));
        List<String> parts = new ArrayList<>();
        long size = 0;
        for (Object element : operations.iterate(value)) {
            String part = operations.str(attribute.apply(element));
            size += part.length() + separator.length();
            budget.text(size);
            parts.add(part);
        }
        return texts.join(separator, parts);
    }

    private Object replace(Object value, Arguments a) {
        return texts.replace(
                str(value), a.text(0, "old"), a.text(1, "new"), a.integer(2, "count", -1));
    }

    private Object trim(Object value, Arguments a) {
        String characters = a.get(0, "chars", null) == null ? null : a.text(0, "chars");
        return PythonText.strip(str(value), characters, true, true);
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        var matcher = WORD_START.matcher(text);
        int at = 0;
        while (matcher.find()) {
            out.append(Texts.capitalize(text.substring(at, matcher.start())));
            out.append(matcher.group());
            at = matcher.end();
        }
        return out.append(Texts.capitalize(text.substring(at))).toString();
    }

    private int words(Object value) {
        return texts.split(str(value), null, -1).size();
    }

    private String escape(String text) {
        budget.text(6L * text.length());
        StringBuilder out = new StringBuilder();
        for (char c : text.toCharArray()) {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&#39;");
                case '"' -> out.append("&#34;");
                default -> out.append(c);
            }
        }
        return out.toString();
    }

    private String indent(String text, Arguments a) {
        Object width = a.get(0, "width", 4L);
        String prefix =
                switch (width) {
                    case String characters when characters.length() <= 1000 -> characters;
                    case Long spaces when spaces >= 0 && spaces <= 1000 ->
                            " ".repeat(spaces.intValue());
                    case null, default -> throw new TemplateException("indent by what?");
                };
        boolean first = Operations.isTrue(a.get(1, "first", false));
        boolean blank = Operations.isTrue(a.get(2, "blank", false));
        budget.elements(text.chars().filter(c -> c == '\n').count());
        String[] lines = text.split("\n", -1);
        budget.text(text.length() + (long) prefix.length() * lines.length);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.length; i++) {
            boolean indented = i == 0 ? first : blank || !lines[i].isEmpty();
            out.append(i == 0 ? "" : "\n").append(indented ? prefix : "").append(lines[i]);
        }
        return out.toString();
    }

    /// What gets an attribute (a path with dots) of an element; without a name, the element itself.
    private Function<Object, Object> attribute(Object name) {
        if (name == null) {
            return element -> element;
        }
        String[] path = operations.str(name).split("\\.");
        return element -> {
            Object value = element;
            for (String part : path) {
                Object index =
                        part.matches("\\d{1,9}") ? (Object) Long.parseLong(part) : (Object) part;
                value = operations.item(value, index);
            }
            return value;
        };
    }

    private Object map(Object value, Arguments a) {
        List<Object> mapped = new ArrayList<>();
        List<?> elements = operations.iterate(value);
        budget.elements(elements.size());
        if (a.named().containsKey("attribute")) {
            Function<Object, Object> attribute = attribute(a.named().get("attribute"));
            for (Object element : elements) {
                Object got = attribute.apply(element);
                boolean missing = got instanceof Undefined && a.named().containsKey("default");
                mapped.add(missing ? a.named().get("default") : got);
            }
            return mapped;
        }
        String filter = a.text(0, "filter");
        Arguments rest = new Arguments(rest(a, 1), a.named());
        elements.forEach(element -> mapped.add(apply(filter, element, rest)));
        return mapped;
    }

    private static List<Object> rest(Arguments a, int from) {
        List<Object> positional = a.positional();
        return from >= positional.size() ? List.of() : positional.subList(from, positional.size());
    }

    private Object select(Object value, Arguments a, boolean byAttribute, boolean wanted) {
        Function<Object, Object> subject =
                attribute(byAttribute ? a.require(0, "attribute") : null);
        List<Object> test = rest(a, byAttribute ? 1 : 0);
        List<Object> chosen = new ArrayList<>();
        for (Object element : operations.iterate(value)) {
            budget.elements(1);
            Object tested = subject.apply(element);
            boolean holds =
                    test.isEmpty()
                            ? Operations.isTrue(tested)
                            : Tests.holds(
                                    operations.str(test.getFirst()),
                                    operations,
                                    tested,
                                    test.subList(1, test.size()));
            if (holds == wanted) {
                chosen.add(element);
            }
        }
        return chosen;
    }

    private Comparator<Object> order(boolean caseSensitive) {
        return (left, right) ->
                operations.compare(
                        caseSensitive ? left : folded(left), caseSensitive ? right : folded(right));
    }

    private Object folded(Object value) {
        return value instanceof String text ? str(text).toLowerCase(Locale.ROOT) : value;
    }

    private Object sort(Object value, Arguments a) {
        boolean reverse = Operations.isTrue(a.get(0, "reverse", false));
        Comparator<Object> order = order(Operations.isTrue(a.get(1, "case_sensitive", false)));
        Function<Object, Object> attribute = attribute(a.get(2, "attribute", null));
        List<Object> sorted = copy(value);
        Comparator<Object> byKey =
                (left, right) -> order.compare(attribute.apply(left), attribute.apply(right));
        sorted.sort(reverse ? byKey.reversed() : byKey);
        return sorted;
    }

    private Object sortedItems(Object value, Arguments a) {
        Comparator<Object> order = order(Operations.isTrue(a.get(0, "case_sensitive", false)));
        int by = "value".equals(a.get(1, "by", "key")) ? 1 : 0;
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort of " + Operations.typeName(value));
        }
        budget.elements(map.size());
        List<Object> sorted = Methods.items(map);
        Comparator<Object> byPart =
                (l, r) -> order.compare(((Tuple) l).get(by), ((Tuple) r).get(by));
        boolean reverse = Operations.isTrue(a.get(2, "reverse", false));
        sorted.sort(reverse ? byPart.reversed() : byPart);
        return sorted;
    }

    private Object extreme(Object value, int sign) {
        Comparator<Object> order = order(false);
        Object best = new Undefined("an element of an empty sequence");
        for (Object element : operations.iterate(value)) {
            if (best instanceof Undefined || order.compare(element, best) * sign > 0) {
                best = element;
            }
        }
        return best;
    }

    private Object sum(Object value, Arguments a) {
        Function<Object, Object> attribute = attribute(a.get(0, "attribute", null));
        Object sum = a.get(1, "start", 0L);
        for (Object element : operations.iterate(value)) {
            sum = operations.arithmetic("+", sum, attribute.apply(element));
        }
        return sum;
    }

    private Object unique(Object value, Arguments a) {
        boolean caseSensitive = Operations.isTrue(a.get(0, "case_sensitive", false));
        Function<Object, Object> attribute = attribute(a.get(1, "attribute", null));
        Map<Object, Object> first = new LinkedHashMap<>();
        for (Object element : operations.iterate(value)) {
            budget.elements(1);
            Object key = attribute.apply(element);
            first.putIfAbsent(Operations.key(caseSensitive ? key : folded(key)), element);
        }
        return new ArrayList<>(first.values());
    }
}
