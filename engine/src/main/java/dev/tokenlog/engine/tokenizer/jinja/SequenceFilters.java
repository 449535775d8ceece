package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Generator;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;

/// Filters that look at the elements of a value.
final class SequenceFilters {

    private final Filters filters;
    private final Operations operations;
    private final Budget budget;
    private final Texts texts;

    SequenceFilters(Filters filters, Operations operations, Budget budget) {
        this.filters = filters;
        this.operations = operations;
        this.budget = budget;
        this.texts = new Texts(budget);
    }

    Object items(Object value) {
        return switch (value) {
            case Map<?, ?> map -> new Generator(operations.items(map));
            case Undefined _ -> new Generator(List.of());
            case null, default ->
                    throw new TemplateException("items of " + Operations.typeName(value));
        };
    }

    List<Object> copy(Object value) {
        List<?> elements = operations.iterate(value);
        budget.elements(elements.size());
        return new ArrayList<>(elements);
    }

    Object end(Object value, boolean last) {
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

    Object reverse(Object value) {
        if (value instanceof String text) {
            budget.text(text.length());
            return new StringBuilder(text).reverse().toString();
        }
        List<Object> reversed = copy(value);
        Collections.reverse(reversed);
        return value instanceof Generator ? reversed : new Generator(reversed);
    }

    Object join(Object value, Arguments a) {
        String separator = operations.str(a.get(0, "d", ""));
        Function<Object, Object> attribute = attribute(a.get(1, "attribute", null));
        List<String> parts = new ArrayList<>();
        long size = 0;
        for (Object element : operations.iterate(value)) {
            String part = operations.str(attribute.apply(element));
            size += part.length() + separator.length();
            budget.text(size > Budget.MAX_TEXT ? size : part.length());
            parts.add(part);
        }
        return texts.join(separator, parts);
    }

    /// Rows of `linecount` elements.
    Object batch(Object value, Arguments a) {
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
    Object slices(Object value, Arguments a) {
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

    /// What gets an attribute (a path with dots) of an element; without a name, the element itself.
    private Function<Object, Object> attribute(Object name) {
        if (name == null) {
            return element -> element;
        }
        String[] path = cut(name, '.');
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

    private String[] cut(Object names, char separator) {
        String text = operations.str(names);
        budget.elements(text.chars().filter(c -> c == separator).count());
        return text.split(Pattern.quote(Character.toString(separator)));
    }

    Object map(Object value, Arguments a) {
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
        elements.forEach(element -> mapped.add(Markup.plain(filters.apply(filter, element, rest))));
        return new Generator(mapped);
    }

    private static List<Object> rest(Arguments a, int from) {
        List<Object> positional = a.positional();
        return from >= positional.size() ? List.of() : positional.subList(from, positional.size());
    }

    Object select(Object value, Arguments a, boolean byAttribute, boolean wanted) {
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
        return value instanceof String text ? text.toLowerCase(Locale.ROOT) : value;
    }

    Object sort(Object value, Arguments a) {
        Comparator<Object> order = order(a.truth(1, "case_sensitive"));
        List<Function<Object, Object>> keys = new ArrayList<>();
        Object names = a.get(2, "attribute", null);
        if (names == null) {
            keys.add(attribute(null));
        } else {
            for (String name : cut(names, ',')) {
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

    Object sortedItems(Object value, Arguments a) {
        Comparator<Object> order = order(a.truth(0, "case_sensitive"));
        String by = a.has(1, "by") ? a.text(1, "by") : "key";
        if (!by.equals("key") && !by.equals("value")) {
            throw new TemplateException("dictsort by key or value");
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort of " + Operations.typeName(value));
        }
        int part = by.equals("key") ? 0 : 1;
        List<Object> sorted = operations.items(map);
        Comparator<Object> byPart =
                (l, r) -> order.compare(((Tuple) l).get(part), ((Tuple) r).get(part));
        sorted.sort(a.truth(2, "reverse") ? byPart.reversed() : byPart);
        return sorted;
    }

    Object extreme(Object value, Arguments a, int sign) {
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

    Object sum(Object value, Arguments a) {
        Function<Object, Object> attribute = attribute(a.get(0, "attribute", null));
        Object sum = a.get(1, "start", 0L);
        for (Object element : operations.iterate(value)) {
            sum = operations.arithmetic("+", sum, attribute.apply(element));
        }
        return sum;
    }

    Object unique(Object value, Arguments a) {
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
