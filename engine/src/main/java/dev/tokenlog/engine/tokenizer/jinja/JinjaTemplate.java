package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Namespace;
import dev.tokenlog.engine.tokenizer.jinja.Values.Scope;
import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A template that has been read. Immutable; several threads may render it at once.
public final class JinjaTemplate {

    private static final int MAX_RANGE = 100_000;

    private final List<Statement> statements;

    private JinjaTemplate(List<Statement> statements) {
        this.statements = statements;
    }

    /// @throws TemplateException with the line at which the template cannot be read
    public static JinjaTemplate parse(String source) {
        return new JinjaTemplate(TemplateParser.parse(Lexer.cut(source)));
    }

    /// @param variables strings, numbers, booleans, nulls, lists and maps of these
    /// @param clock what `strftime_now` tells, in UTC
    /// @throws TemplateException with the line that raised an exception, cannot be computed, or
    ///   went over the limits
    public String render(Map<String, ?> variables, Instant clock) {
        Budget budget = new Budget();
        Scope globals = new Scope(null);
        functions(budget, clock).forEach(globals::set);
        variables.forEach((name, value) -> globals.set(name, imported(value, budget)));
        return new Renderer(budget).render(statements, new Scope(globals));
    }

    /// A copy of a caller's value in the types of [Values].
    private static Object imported(Object value, Budget budget) {
        budget.enter();
        Object copy =
                switch (value) {
                    case null -> null;
                    case String text -> text;
                    case Boolean truth -> truth;
                    case Double number -> number;
                    case Float number -> number.doubleValue();
                    case BigInteger number ->
                            number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
                    case Number number -> number.longValue();
                    case List<?> list -> {
                        budget.elements(list.size());
                        List<Object> items = new ArrayList<>(list.size());
                        list.forEach(item -> items.add(imported(item, budget)));
                        yield items;
                    }
                    case Map<?, ?> map -> {
                        budget.elements(map.size());
                        Map<Object, Object> entries = new LinkedHashMap<>();
                        map.forEach((k, v) -> entries.put(k, imported(v, budget)));
                        yield entries;
                    }
                    default ->
                            throw new IllegalArgumentException(
                                    "a template cannot take a " + value.getClass().getName());
                };
        budget.leave();
        return copy;
    }

    private static Map<String, Callable> functions(Budget budget, Instant clock) {
        return Map.of(
                "range", a -> range(a, budget),
                "namespace", a -> new Namespace(attributes(a)),
                "dict", JinjaTemplate::attributes,
                "raise_exception",
                        a -> {
                            String message = new PythonText(budget).str(a.require(0, "message"));
                            throw new TemplateException(message);
                        },
                "strftime_now",
                        a -> {
                            String format = a.text(0, "format");
                            budget.text((long) PythonTime.LONGEST * format.length());
                            return PythonTime.format(format, clock);
                        });
    }

    private static List<Object> range(Arguments a, Budget budget) {
        boolean single = a.positional().size() < 2;
        long start = single ? 0 : a.integer(0, "start", 0);
        long stop = a.integer(single ? 0 : 1, "stop", 0);
        long step = a.integer(2, "step", 1);
        if (step == 0) {
            throw new TemplateException("a range's step is 0");
        }
        List<Object> numbers = new ArrayList<>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
            if (numbers.size() == MAX_RANGE) {
                throw new TemplateException("a range of more than " + MAX_RANGE + " numbers");
            }
            budget.elements(1);
            numbers.add(i);
            if (Math.abs(step) > Integer.MAX_VALUE) {
                break;
            }
        }
        return numbers;
    }

    private static Map<String, Object> attributes(Arguments a) {
        Map<String, Object> attributes = new LinkedHashMap<>();
        if (a.has(0, "") && a.positional().getFirst() instanceof Map<?, ?> map) {
            map.forEach((key, value) -> attributes.put(String.valueOf(key), value));
        }
        attributes.putAll(a.named());
        return attributes;
    }
}
