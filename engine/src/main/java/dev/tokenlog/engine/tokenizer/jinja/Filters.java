package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Generator;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/// What may stand behind `|`.
final class Filters {

    @FunctionalInterface
    private interface Filter {
        Object apply(Filters filters, Object value, Arguments arguments);
    }

    /// A filter and the parameters behind its value, by the names that Python gives them.
    private record Entry(Filter filter, List<String> parameters) {}

    private static final Map<String, Entry> FILTERS =
            Map.ofEntries(
                    filter("abs", (f, v, a) -> absolute(v)),
                    filter("batch", (f, v, a) -> f.batch(v, a), "linecount", "fill_with"),
                    filter("capitalize", (f, v, a) -> Texts.capitalize(f.str(v))),
                    filter("center", (f, v, a) -> f.center(v, a), "width"),
                    filter("count", (f, v, a) -> f.operations.length(v)),
                    filter("d", (f, v, a) -> fallback(v, a), "default_value", "boolean"),
                    filter("default", (f, v, a) -> fallback(v, a), "default_value", "boolean"),
                    filter(
                            "dictsort",
                            (f, v, a) -> f.sortedItems(v, a),
                            "case_sensitive",
                            "by",
                            "reverse"),
                    filter("e", (f, v, a) -> f.escape(v)),
                    filter("escape", (f, v, a) -> f.escape(v)),
                    filter("first", (f, v, a) -> f.end(v, false)),
                    filter("float", (f, v, a) -> toFloat(v, a), "default"),
                    filter("indent", (f, v, a) -> f.indent(v, a), "width", "first", "blank"),
                    filter("int", (f, v, a) -> toInt(v, a), "default"),
                    filter("items", (f, v, a) -> items(v)),
                    filter("join", (f, v, a) -> f.join(v, a), "d", "attribute"),
                    filter("last", (f, v, a) -> f.end(v, true)),
                    filter("length", (f, v, a) -> f.operations.length(v)),
                    filter("list", (f, v, a) -> f.copy(v)),
                    filter("lower", (f, v, a) -> f.str(v).toLowerCase(Locale.ROOT)),
                    filter("max", (f, v, a) -> f.extreme(v, a, 1), "case_sensitive", "attribute"),
                    filter("min", (f, v, a) -> f.extreme(v, a, -1), "case_sensitive", "attribute"),
                    filter("replace", (f, v, a) -> f.replace(v, a), "old", "new", "count"),
                    filter("reverse", (f, v, a) -> f.reverse(v)),
                    filter("round", (f, v, a) -> round(v, a), "precision", "method"),
                    filter("forceescape", (f, v, a) -> f.escape(v)),
                    filter("safe", (f, v, a) -> new Markup(f.str(v))),
                    filter("slice", (f, v, a) -> f.slices(v, a), "slices", "fill_with"),
                    filter(
                            "sort",
                            (f, v, a) -> f.sort(v, a),
                            "reverse",
                            "case_sensitive",
                            "attribute"),
                    filter("string", (f, v, a) -> f.str(v)),
                    filter("sum", (f, v, a) -> f.sum(v, a), "attribute", "start"),
                    filter("title", (f, v, a) -> title(f.str(v))),
                    filter(
                            "tojson",
                            (f, v, a) -> PythonJson.write(v, f.budget, a),
                            "ensure_ascii",
                            "indent",
                            "separators",
                            "sort_keys"),
                    filter("trim", (f, v, a) -> f.trim(v, a), "chars"),
                    filter("unique", (f, v, a) -> f.unique(v, a), "case_sensitive", "attribute"),
                    filter("upper", (f, v, a) -> f.str(v).toUpperCase(Locale.ROOT)),
                    filter("wordcount", (f, v, a) -> words(f.str(v))),
                    manifold("format", (f, v, a) -> f.format(v, a)),
                    manifold("map", (f, v, a) -> f.map(v, a)),
                    manifold("reject", (f, v, a) -> f.select(v, a, false, false)),
                    manifold("rejectattr", (f, v, a) -> f.select(v, a, true, false)),
                    manifold("select", (f, v, a) -> f.select(v, a, false, true)),
                    manifold("selectattr", (f, v, a) -> f.select(v, a, true, true)));

    private static Map.Entry<String, Entry> filter(
            String name, Filter filter, String... parameters) {
        return Map.entry(name, new Entry(filter, List.of(parameters)));
    }

    /// A filter that looks at its arguments itself.
    private static Map.Entry<String, Entry> manifold(String name, Filter filter) {
        return Map.entry(name, new Entry(filter, null));
    }

    /// Filters that look whether their value is [Markup].
    private static final Set<String> MARKING = Set.of("e", "escape");

    private static final Pattern WORD_START = Pattern.compile("([-\\s({\\[<]+)");
    private static final Pattern REAL =
            Pattern.compile("[+-]?(\\d{1,30}(\\.\\d{0,30})?|\\.\\d{1,30})([eE][+-]?\\d{1,3})?");

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
        Entry entry = FILTERS.get(name);
        if (entry == null) {
            throw new TemplateException("there is no filter '" + name + "'");
        }
        boolean marks = MARKING.contains(name);
        return entry.filter()
                .apply(
                        this,
                        marks ? value : Markup.plain(value),
                        entry.parameters() == null ? arguments : arguments.fit(entry.parameters()));
    }

    private String str(Object value) {
        String text = operations.str(value);
        budget.text(text.length());
        return text;
    }

    private static Object fallback(Object value, Arguments a) {
        boolean alsoFalse = a.truth(1, "boolean");
        boolean replaced = value instanceof Undefined || (alsoFalse && !Operations.isTrue(value));
        return replaced ? a.get(0, "default_value", "") : value;
    }

    private static Object absolute(Object value) {
        return switch (value) {
            case Long number when number != Long.MIN_VALUE -> Math.abs(number);
            case Double number -> Math.abs(number);
            case Boolean truth -> truth ? 1L : 0L;
            case null, default ->
                    throw new TemplateException("abs of " + Operations.typeName(value));
        };
    }

    private static Object toInt(Object value, Arguments a) {
        Object fallback = a.get(0, "default", 0L);
        return switch (value) {
            case Long number -> number;
            case BigInteger number -> number;
            case Boolean truth -> truth ? 1L : 0L;
            case Double number -> whole(number, fallback);
            case String text when text.strip().matches("[+-]?\\d{1,100}") ->
                    Numbers.narrow(new BigInteger(text.strip()));
            case String text when REAL.matcher(text.strip()).matches() ->
                    whole(Double.parseDouble(text.strip()), fallback);
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

    private static Object toFloat(Object value, Arguments a) {
        return switch (value) {
            case Double number -> number;
            case String text when REAL.matcher(text.strip()).matches() ->
                    Double.parseDouble(text.strip());
            case Object number when Operations.isNumber(number) -> Numbers.toDouble(number);
            case Undefined undefined -> throw undefined.refused();
            case null, default -> a.get(0, "default", 0.0);
        };
    }

    /// Python's `round` for the method `common`, where integers stay integers; `floor` and `ceil`
    /// of the number times a power of ten, as jinja2 computes them.
    private static Object round(Object value, Arguments a) {
        if (!Operations.isNumber(value)) {
            throw new TemplateException("round of " + Operations.typeName(value));
        }
        int precision = Math.toIntExact(Math.clamp(a.integer(0, "precision", 0), -300, 300));
        Object method = a.get(1, "method", "common");
        if (method.equals("floor") || method.equals("ceil")) {
            double power = Math.pow(10, precision);
            double scaled = Numbers.toDouble(value) * power;
            return (method.equals("floor") ? Math.floor(scaled) : Math.ceil(scaled)) / power;
        }
        if (!method.equals("common")) {
            throw new TemplateException("round by common, ceil or floor");
        }
        if (!(value instanceof Double number)) {
            return new BigDecimal(Operations.whole(value))
                    .setScale(Math.min(precision, 0), RoundingMode.HALF_EVEN)
                    .longValueExact();
        }
        if (number.isNaN() || number.isInfinite()) {
            return number;
        }
        double rounded =
                new BigDecimal(number).setScale(precision, RoundingMode.HALF_EVEN).doubleValue();
        return Math.copySign(rounded, number);
    }

    private static Object items(Object value) {
        return switch (value) {
            case Map<?, ?> map -> new Generator(Methods.items(map));
            case Undefined _ -> new Generator(List.of());
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
        Undefined none = new Undefined("an element of an empty sequence");
        if (value instanceof Generator generator) {
            if (last) {
                throw new TemplateException("a generator has no last element: it lacks '| list'");
            }
            return generator.next(none);
        }
        List<?> elements = operations.iterate(value);
        if (elements.isEmpty()) {
            return none;
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
        return value instanceof Generator ? reversed : new Generator(reversed);
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
                str(value),
                str(a.require(0, "old")),
                str(a.require(1, "new")),
                a.given(2, "count", -1L) instanceof Long count ? count : a.integer(2, "count", -1));
    }

    private Object trim(Object value, Arguments a) {
        String characters = a.get(0, "chars", null) == null ? null : a.text(0, "chars");
        return PythonText.strip(str(value), characters, true, true);
    }

    private Object center(Object value, Arguments a) {
        return texts.centered(str(value), a.integer(0, "width", 80), " ");
    }

    private Object format(Object value, Arguments a) {
        if (!a.positional().isEmpty() && !a.named().isEmpty()) {
            throw new TemplateException("format takes positional or named arguments, not both");
        }
        return new PythonFormat(budget)
                .percent(str(value), a.named().isEmpty() ? new Tuple(a.positional()) : a.named());
    }

    /// Rows of `linecount` elements.
    private Object batch(Object value, Arguments a) {
        long size = positive(a, "linecount");
        List<Object> rows = new ArrayList<>();
        List<Object> row = new ArrayList<>();
        for (Object element : copy(value)) {
            if (row.size() == size) {
                rows.add(row);
                row = new ArrayList<>();
            }
            row.add(element);
        }
        Object filler = a.get(1, "fill_with", null);
        if (filler != null && !row.isEmpty()) {
            budget.elements(size);
            while (row.size() < size) {
                row.add(filler);
            }
        }
        if (!row.isEmpty()) {
            rows.add(row);
        }
        return new Generator(rows);
    }

    /// `slices` parts, of which the first are longer by one where it does not divide.
    private Object slices(Object value, Arguments a) {
        long count = positive(a, "slices");
        Object filler = a.get(1, "fill_with", null);
        List<Object> elements = copy(value);
        budget.elements(count);
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (long i = 0; i < count; i++) {
            boolean longer = i < elements.size() % count;
            int to = from + (int) (elements.size() / count) + (longer ? 1 : 0);
            List<Object> part = new ArrayList<>(elements.subList(from, to));
            if (filler != null && !longer) {
                part.add(filler);
            }
            parts.add(part);
            from = to;
        }
        return new Generator(parts);
    }

    private static long positive(Arguments a, String name) {
        a.require(0, name);
        long number = a.integer(0, name, 1);
        if (number < 1) {
            throw new TemplateException("argument '" + name + "' must be at least 1");
        }
        return number;
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        var matcher = WORD_START.matcher(text);
        int at = 0;
        while (matcher.find()) {
            titleWord(text.substring(at, matcher.start()), out);
            out.append(matcher.group());
            at = matcher.end();
        }
        titleWord(text.substring(at), out);
        return out.toString();
    }

    private static void titleWord(String word, StringBuilder out) {
        if (!word.isEmpty()) {
            int second = word.offsetByCodePoints(0, 1);
            out.append(word.substring(0, second).toUpperCase(Locale.ROOT));
            out.append(word.substring(second).toLowerCase(Locale.ROOT));
        }
    }

    /// Runs of letters, digits and underscores.
    private static long words(String text) {
        long words = 0;
        boolean inside = false;
        for (int c : text.codePoints().toArray()) {
            boolean part = c == '_' || PythonText.isAlphanumeric(c);
            words += part && !inside ? 1 : 0;
            inside = part;
        }
        return words;
    }

    private Object escape(Object value) {
        return value instanceof Markup ? value : Markup.escaped(str(value), budget);
    }

    private String indent(Object value, Arguments a) {
        if (!(value instanceof String text)) {
            throw new TemplateException("indent of " + Operations.typeName(value));
        }
        Object width = a.get(0, "width", 4L);
        String prefix =
                switch (width) {
                    case String characters when characters.length() <= 1000 -> characters;
                    case Long spaces when spaces >= 0 && spaces <= 1000 ->
                            " ".repeat(spaces.intValue());
                    case null, default -> throw new TemplateException("indent by what?");
                };
        boolean first = a.truth(1, "first");
        boolean blank = a.truth(2, "blank");
        List<Object> lines = texts.lines(text + "\n", false);
        budget.text(text.length() + (long) prefix.length() * lines.size());
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            String line = (String) lines.get(i);
            boolean indented = i == 0 ? first : blank || !line.isEmpty();
            out.append(i == 0 ? "" : "\n").append(indented ? prefix : "").append(line);
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
        List<?> elements = Operations.isTrue(value) ? operations.iterate(value) : List.of();
        budget.elements(elements.size());
        if (a.positional().isEmpty() && a.named().containsKey("attribute")) {
            a.fit(List.of("attribute", "default"));
            Function<Object, Object> attribute = attribute(a.named().get("attribute"));
            Object fallback = a.named().get("default");
            for (Object element : elements) {
                Object got = attribute.apply(element);
                mapped.add(got instanceof Undefined && fallback != null ? fallback : got);
            }
            return new Generator(mapped);
        }
        String filter = a.text(0, "filter");
        Arguments rest = new Arguments(rest(a, 1), a.named());
        elements.forEach(element -> mapped.add(Markup.plain(apply(filter, element, rest))));
        return new Generator(mapped);
    }

    private static List<Object> rest(Arguments a, int from) {
        List<Object> positional = a.positional();
        return from >= positional.size() ? List.of() : positional.subList(from, positional.size());
    }

    private Object select(Object value, Arguments a, boolean byAttribute, boolean wanted) {
        if (!a.named().isEmpty()) {
            throw new TemplateException("a selection takes no named arguments");
        }
        Function<Object, Object> subject =
                attribute(byAttribute ? a.require(0, "attribute") : null);
        List<Object> test = rest(a, byAttribute ? 1 : 0);
        List<Object> chosen = new ArrayList<>();
        List<?> elements = Operations.isTrue(value) ? operations.iterate(value) : List.of();
        for (Object element : elements) {
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
        return new Generator(chosen);
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
        Comparator<Object> order = order(a.truth(1, "case_sensitive"));
        List<Function<Object, Object>> keys = new ArrayList<>();
        Object names = a.get(2, "attribute", null);
        if (names == null) {
            keys.add(attribute(null));
        } else {
            for (String name : operations.str(names).split(",")) {
                keys.add(attribute(name));
            }
        }
        List<Object> sorted = copy(value);
        Comparator<Object> byKeys =
                (left, right) -> {
                    int found = 0;
                    for (int i = 0; i < keys.size() && found == 0; i++) {
                        Object l = keys.get(i).apply(left);
                        Object r = keys.get(i).apply(right);
                        found = operations.equal(l, r) ? 0 : order.compare(l, r);
                    }
                    return found;
                };
        sorted.sort(a.truth(0, "reverse") ? byKeys.reversed() : byKeys);
        return sorted;
    }

    private Object sortedItems(Object value, Arguments a) {
        Comparator<Object> order = order(a.truth(0, "case_sensitive"));
        Object by = a.get(1, "by", "key");
        if (!by.equals("key") && !by.equals("value")) {
            throw new TemplateException("dictsort by key or value");
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort of " + Operations.typeName(value));
        }
        budget.elements(map.size());
        int part = by.equals("key") ? 0 : 1;
        List<Object> sorted = Methods.items(map);
        Comparator<Object> byPart =
                (l, r) -> order.compare(((Tuple) l).get(part), ((Tuple) r).get(part));
        sorted.sort(a.truth(2, "reverse") ? byPart.reversed() : byPart);
        return sorted;
    }

    private Object extreme(Object value, Arguments a, int sign) {
        Comparator<Object> order = order(a.truth(0, "case_sensitive"));
        Function<Object, Object> key = attribute(a.get(1, "attribute", null));
        Object best = new Undefined("an element of an empty sequence");
        boolean any = false;
        for (Object element : operations.iterate(value)) {
            if (!any || order.compare(key.apply(element), key.apply(best)) * sign > 0) {
                best = element;
                any = true;
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
        boolean caseSensitive = a.truth(0, "case_sensitive");
        Function<Object, Object> attribute = attribute(a.get(1, "attribute", null));
        Map<Object, Object> first = new LinkedHashMap<>();
        for (Object element : operations.iterate(value)) {
            budget.elements(1);
            Object key = attribute.apply(element);
            first.putIfAbsent(Operations.key(caseSensitive ? key : folded(key)), element);
        }
        return new Generator(new ArrayList<>(first.values()));
    }
}
