package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

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
                    filter("abs", (f, v, a) -> NumberFilters.absolute(v)),
                    filter("batch", (f, v, a) -> f.sequences.batch(v, a), "linecount", "fill_with"),
                    filter("capitalize", (f, v, a) -> Texts.capitalize(f.texts.str(v))),
                    filter("center", (f, v, a) -> f.texts.center(v, a), "width"),
                    filter("count", (f, v, a) -> f.operations.length(v)),
                    filter("d", (f, v, a) -> fallback(v, a), "default_value", "boolean"),
                    filter("default", (f, v, a) -> fallback(v, a), "default_value", "boolean"),
                    filter(
                            "dictsort",
                            (f, v, a) -> f.sequences.sortedItems(v, a),
                            "case_sensitive",
                            "by",
                            "reverse"),
                    filter("e", (f, v, a) -> f.texts.escape(v)),
                    filter("escape", (f, v, a) -> f.texts.escape(v)),
                    filter("first", (f, v, a) -> f.sequences.end(v, false)),
                    filter("float", (f, v, a) -> NumberFilters.toFloat(v, a), "default"),
                    filter("indent", (f, v, a) -> f.texts.indent(v, a), "width", "first", "blank"),
                    filter("int", (f, v, a) -> NumberFilters.toInt(v, a), "default"),
                    filter("items", (f, v, a) -> f.sequences.items(v)),
                    filter("join", (f, v, a) -> f.sequences.join(v, a), "d", "attribute"),
                    filter("last", (f, v, a) -> f.sequences.end(v, true)),
                    filter("length", (f, v, a) -> f.operations.length(v)),
                    filter("list", (f, v, a) -> f.sequences.copy(v)),
                    filter("lower", (f, v, a) -> f.texts.str(v).toLowerCase(Locale.ROOT)),
                    filter(
                            "max",
                            (f, v, a) -> f.sequences.extreme(v, a, 1),
                            "case_sensitive",
                            "attribute"),
                    filter(
                            "min",
                            (f, v, a) -> f.sequences.extreme(v, a, -1),
                            "case_sensitive",
                            "attribute"),
                    filter("replace", (f, v, a) -> f.texts.replace(v, a), "old", "new", "count"),
                    filter("reverse", (f, v, a) -> f.sequences.reverse(v)),
                    filter("round", (f, v, a) -> NumberFilters.round(v, a), "precision", "method"),
                    filter("forceescape", (f, v, a) -> f.texts.escape(v)),
                    filter("safe", (f, v, a) -> new Markup(f.texts.str(v))),
                    filter("slice", (f, v, a) -> f.sequences.slices(v, a), "slices", "fill_with"),
                    filter(
                            "sort",
                            (f, v, a) -> f.sequences.sort(v, a),
                            "reverse",
                            "case_sensitive",
                            "attribute"),
                    filter("string", (f, v, a) -> f.texts.str(v)),
                    filter("sum", (f, v, a) -> f.sequences.sum(v, a), "attribute", "start"),
                    filter("title", (f, v, a) -> TextFilters.title(f.texts.str(v))),
                    filter(
                            "tojson",
                            (f, v, a) -> PythonJson.write(v, f.budget, a),
                            "ensure_ascii",
                            "indent",
                            "separators",
                            "sort_keys"),
                    filter("trim", (f, v, a) -> f.texts.trim(v, a), "chars"),
                    filter(
                            "unique",
                            (f, v, a) -> f.sequences.unique(v, a),
                            "case_sensitive",
                            "attribute"),
                    filter("upper", (f, v, a) -> f.texts.str(v).toUpperCase(Locale.ROOT)),
                    filter("wordcount", (f, v, a) -> TextFilters.words(f.texts.str(v))),
                    manifold("format", (f, v, a) -> f.texts.format(v, a)),
                    manifold("map", (f, v, a) -> f.sequences.map(v, a)),
                    manifold("reject", (f, v, a) -> f.sequences.select(v, a, false, false)),
                    manifold("rejectattr", (f, v, a) -> f.sequences.select(v, a, true, false)),
                    manifold("select", (f, v, a) -> f.sequences.select(v, a, false, true)),
                    manifold("selectattr", (f, v, a) -> f.sequences.select(v, a, true, true)));

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

    /// Filters that leave [Markup] what it is.
    private static final Set<String> KEEPING =
            Set.of(
                    "capitalize",
                    "center",
                    "d",
                    "default",
                    "indent",
                    "lower",
                    "reverse",
                    "string",
                    "trim",
                    "upper");

    private final Operations operations;
    private final Budget budget;
    private final TextFilters texts;
    private final SequenceFilters sequences;

    Filters(Operations operations, Budget budget) {
        this.operations = operations;
        this.budget = budget;
        this.texts = new TextFilters(operations, budget);
        this.sequences = new SequenceFilters(this, operations, budget);
    }

    static boolean exists(String name) {
        return FILTERS.containsKey(name);
    }

    Object apply(String name, Object value, Arguments arguments) {
        Entry entry = FILTERS.get(name);
        if (entry == null) {
            throw new TemplateException("there is no filter '" + name + "'");
        }
        Arguments fitting =
                entry.parameters() == null
                        ? arguments.plain()
                        : arguments.fit(entry.parameters()).plain();
        budget.enter();
        Object plain = MARKING.contains(name) ? value : Markup.plain(value);
        budget.text(plain instanceof String text ? text.length() : 0);
        Object result = entry.filter().apply(this, plain, fitting);
        budget.leave();
        boolean kept = value instanceof Markup && KEEPING.contains(name);
        return kept && result instanceof String text ? new Markup(text) : result;
    }

    private static Object fallback(Object value, Arguments a) {
        boolean alsoFalse = a.truth(1, "boolean");
        boolean replaced = value instanceof Undefined || (alsoFalse && !Operations.isTrue(value));
        return replaced ? a.get(0, "default_value", "") : value;
    }
}
