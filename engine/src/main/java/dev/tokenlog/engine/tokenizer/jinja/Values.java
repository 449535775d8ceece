package dev.tokenlog.engine.tokenizer.jinja;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The values of a template: null (Python's None), Boolean, Long, [java.math.BigInteger], Double,
/// String, List, Map, and the types here.
final class Values {

    private Values() {}

    /// What a name, key or index without a value gives: empty as text, false, but nothing can be
    /// computed with it.
    record Undefined(String what) {

        TemplateException refused() {
            return new TemplateException(what + " is undefined");
        }
    }

    /// What `namespace(…)` makes: the one thing whose attributes a template may set.
    record Namespace(Map<String, Object> attributes) {}

    @FunctionalInterface
    interface Callable {
        Object call(Arguments arguments);

        /// A function that refuses arguments beyond its parameters.
        static Callable taking(Callable function, String... parameters) {
            List<String> names = List.of(parameters);
            return arguments -> function.call(arguments.fit(names).plain());
        }
    }

    /// A Python tuple: a list that prints with round brackets.
    static final class Tuple extends AbstractList<Object> {
        private final List<Object> items;

        Tuple(List<Object> items) {
            this.items = items;
        }

        @Override
        public Object get(int index) {
            return items.get(index);
        }

        @Override
        public int size() {
            return items.size();
        }
    }

    /// What filters like `map` and `select` give in Python: elements that can be taken once, always
    /// true, without length, index or text. `| list` makes a list of it.
    static final class Generator {
        private List<?> rest;

        Generator(List<?> items) {
            rest = items;
        }

        /// All that is left; nothing is, from then on.
        List<?> take() {
            List<?> taken = rest;
            rest = List.of();
            return taken;
        }

        /// What a loop over all of them did not come to.
        void putBack(List<?> left) {
            rest = left;
        }

        /// The next one, or the other if none is left.
        Object next(Object otherwise) {
            if (rest.isEmpty()) {
                return otherwise;
            }
            Object first = rest.getFirst();
            rest = rest.subList(1, rest.size());
            return first;
        }
    }

    /// A text that `safe` or `escape` gave: what is added to it is escaped. Variables, attributes
    /// of namespaces, arguments of macros and operands hold one, and what filters and methods make
    /// of it where Python keeps it one. Elements of lists and maps are plain texts here; in Python
    /// they are not.
    record Markup(String text) {

        static Object plain(Object value) {
            return value instanceof Markup markup ? markup.text() : value;
        }

        /// HTML's special characters replaced.
        static Markup escaped(String text, Budget budget) {
            budget.text(6L * text.length());
            StringBuilder out = new StringBuilder(text.length());
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
            return new Markup(out.toString());
        }
    }

    /// Arguments of a call.
    record Arguments(List<Object> positional, Map<String, Object> named) {

        static final Arguments NONE = new Arguments(List.of(), Map.of());

        /// These arguments, of which none goes beyond the parameters: one that is ignored would
        /// give another text than Python's, without any message.
        Arguments fit(List<String> parameters) {
            if (positional.size() > parameters.size()) {
                throw new TemplateException(
                        positional.size() + " arguments are more than it takes: " + parameters);
            }
            List<String> taken = parameters.subList(0, positional.size());
            for (String name : named.keySet()) {
                if (taken.contains(name) || !parameters.contains(name)) {
                    throw new TemplateException("it does not take this argument: " + name);
                }
            }
            return this;
        }

        /// The same with plain texts for [Markup].
        Arguments plain() {
            if (positional.isEmpty() && named.isEmpty()) {
                return this;
            }
            List<Object> values = new ArrayList<>(positional);
            values.replaceAll(Markup::plain);
            Map<String, Object> byName = new LinkedHashMap<>(named);
            byName.replaceAll((_, value) -> Markup.plain(value));
            return new Arguments(values, byName);
        }

        boolean has(int index, String name) {
            return index < positional.size() || named.containsKey(name);
        }

        Object get(int index, String name, Object fallback) {
            return index < positional.size()
                    ? positional.get(index)
                    : named.getOrDefault(name, fallback);
        }

        Object require(int index, String name) {
            if (!has(index, name)) {
                throw new TemplateException("argument '" + name + "' is missing");
            }
            return get(index, name, null);
        }

        String text(int index, String name) {
            Object value = require(index, name);
            if (value instanceof String text) {
                return text;
            }
            throw new TemplateException("argument '" + name + "' must be a string");
        }

        long integer(int index, String name, long fallback) {
            Object value = get(index, name, fallback);
            if (value instanceof Boolean b) {
                return b ? 1 : 0;
            }
            if (value instanceof Long number) {
                return number;
            }
            throw new TemplateException("argument '" + name + "' must be an integer");
        }

        /// None is like no argument.
        Object given(int index, String name, Object fallback) {
            Object value = get(index, name, null);
            return value == null ? fallback : value;
        }

        boolean truth(int index, String name) {
            return Operations.isTrue(get(index, name, false));
        }
    }

    /// Variables of a block and, behind them, those of the blocks around it.
    static final class Scope {
        private final Scope parent;
        private final Map<String, Object> variables = new LinkedHashMap<>();

        Scope(Scope parent) {
            this.parent = parent;
        }

        void set(String name, Object value) {
            variables.put(name, value);
        }

        Object get(String name) {
            for (Scope scope = this; scope != null; scope = scope.parent) {
                Object value = scope.variables.get(name);
                if (value != null || scope.variables.containsKey(name)) {
                    return value;
                }
            }
            return new Undefined("'" + name + "'");
        }
    }
}
