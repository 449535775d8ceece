package dev.tokenlog.engine.tokenizer.jinja;

import java.util.AbstractList;
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

    /// What `namespace(…)` makes: the one thing that a template may change.
    record Namespace(Map<String, Object> attributes) {}

    @FunctionalInterface
    interface Callable {
        Object call(Arguments arguments);
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

    /// Arguments of a call.
    record Arguments(List<Object> positional, Map<String, Object> named) {

        static final Arguments NONE = new Arguments(List.of(), Map.of());

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
