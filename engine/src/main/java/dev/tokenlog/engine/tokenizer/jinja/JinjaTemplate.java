package dev.tokenlog.engine.tokenizer.jinja;

import static dev.tokenlog.engine.tokenizer.jinja.Values.Callable.taking;

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
                    case BigInteger number -> Numbers.narrow(number);
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
                "range", taking(a -> range(a, budget), "start", "stop", "step"),
                "namespace", a -> new Namespace(attributes(a, budget)),
                "dict", a -> entries(a.plain(), budget),
                "joiner", taking(JinjaTemplate::joiner, "sep"),
                "raise_exception",
                        taking(
                                a -> {
                                    Object message = a.require(0, "message");
                                    throw new TemplateException(
                                            new PythonText(budget).str(message));
                                },
                                "message"),
                "strftime_now",
                        taking(
                                a -> {
                                    String format = a.text(0, "format");
                                    budget.text((long) PythonTime.LONGEST * format.length());
                                    return PythonTime.format(format, clock);
                                },
                                "format"));
    }

    /// A function that gives nothing at its first call and the separator from then on.
    private static Callable joiner(Arguments a) {
        Object separator = a.get(0, "sep", ", ");
        boolean[] used = new boolean[1];
        return taking(_ -> {
            Object text = used[0] ? separator : "";
            used[0] = true;
            return text;
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

    /// What `dict(…)` makes of a map or a list of pairs, and of named arguments.
    private static Map<Object, Object> entries(Arguments a, Budget budget) {
        if (a.positional().size() > 1) {
            throw new TemplateException("only one argument without a name is taken");
        }
        Map<Object, Object> entries = new LinkedHashMap<>();
        if (!a.positional().isEmpty()) {
            Operations operations = new Operations(budget);
            Object first = a.positional().getFirst();
            List<?> pairs =
                    first instanceof Map<?, ?> map
                            ? operations.items(map)
                            : operations.iterate(first);
            for (Object element : pairs) {
                List<?> pair = operations.iterate(element);
                if (pair.size() != 2) {
                    throw new TemplateException("a dict is made of pairs");
                }
                entries.put(Operations.key(pair.get(0)), pair.get(1));
            }
        }
        budget.elements(a.named().size());
        entries.putAll(a.named());
        return entries;
    }

    private static Map<String, Object> attributes(Arguments a, Budget budget) {
        Map<String, Object> attributes = new LinkedHashMap<>();
        entries(a, budget)
                .forEach((key, value) -> {
                    if (!(key instanceof String name)) {
                        throw new TemplateException("attributes have names");
                    }
                    attributes.put(name, value);
                });
        return attributes;
    }
}
