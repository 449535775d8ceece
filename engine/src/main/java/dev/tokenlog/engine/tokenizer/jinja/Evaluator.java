package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Namespace;
import dev.tokenlog.engine.tokenizer.jinja.Values.Scope;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Computes expressions.
final class Evaluator {

    private final Budget budget;
    private final Operations operations;
    private final Filters filters;
    private final Methods methods;

    Evaluator(Budget budget) {
        this.budget = budget;
        this.operations = new Operations(budget);
        this.filters = new Filters(operations, budget);
        this.methods = new Methods(operations, budget);
    }

    Operations operations() {
        return operations;
    }

    boolean isTrue(Expression expression, Scope scope) {
        return Operations.isTrue(evaluate(expression, scope));
    }

    Object evaluate(Expression expression, Scope scope) {
        budget.step();
        budget.enter();
        Object value =
                switch (expression) {
                    case Expression.Literal literal -> literal.value();
                    case Expression.Name name -> scope.get(name.name());
                    case Expression.ListOf list -> all(list.items(), scope);
                    case Expression.TupleOf tuple -> new Tuple(all(tuple.items(), scope));
                    case Expression.DictOf dict -> dict(dict, scope);
                    case Expression.Attribute attribute ->
                            attribute(evaluate(attribute.target(), scope), attribute.name());
                    case Expression.Item item ->
                            item(evaluate(item.target(), scope), plain(item.index(), scope));
                    case Expression.Slice slice ->
                            slice(
                                    evaluate(slice.target(), scope),
                                    optional(slice.start(), scope),
                                    optional(slice.stop(), scope),
                                    optional(slice.step(), scope));
                    case Expression.Call call -> call(call, scope);
                    case Expression.Filter filter ->
                            filters.apply(
                                    filter.name(),
                                    evaluate(filter.input(), scope),
                                    arguments(filter.positional(), filter.named(), scope));
                    case Expression.Test test ->
                            test.negated()
                                    != Tests.holds(
                                            test.name(),
                                            operations,
                                            plain(test.input(), scope),
                                            all(test.arguments(), scope));
                    case Expression.Not not -> !isTrue(not.operand(), scope);
                    case Expression.Sign sign -> sign(sign, scope);
                    case Expression.And and -> {
                        Object left = evaluate(and.left(), scope);
                        yield Operations.isTrue(left) ? evaluate(and.right(), scope) : left;
                    }
                    case Expression.Or or -> {
                        Object left = evaluate(or.left(), scope);
                        yield Operations.isTrue(left) ? left : evaluate(or.right(), scope);
                    }
                    case Expression.Arithmetic arithmetic ->
                            operations.arithmetic(
                                    arithmetic.operator(),
                                    evaluate(arithmetic.left(), scope),
                                    evaluate(arithmetic.right(), scope));
                    case Expression.Compare compare -> compare(compare, scope);
                    case Expression.Conditional choice -> choose(choice, scope);
                    case Expression.Unpacked _ ->
                            throw new TemplateException("only calls take unpacked arguments");
                };
        budget.leave();
        return value;
    }

    private Object plain(Expression expression, Scope scope) {
        return Markup.plain(evaluate(expression, scope));
    }

    private Object optional(Expression expression, Scope scope) {
        return expression == null ? null : plain(expression, scope);
    }

    private List<Object> all(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>(expressions.size());
        for (Expression expression : expressions) {
            values.add(plain(expression, scope));
        }
        return values;
    }

    private Map<Object, Object> dict(Expression.DictOf dict, Scope scope) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < dict.keys().size(); i++) {
            Object key = Operations.key(plain(dict.keys().get(i), scope));
            map.put(key, plain(dict.values().get(i), scope));
        }
        return map;
    }

    private Object slice(Object target, Object start, Object stop, Object step) {
        Object part = operations.slice(Markup.plain(target), start, stop, step);
        return target instanceof Markup ? remarked(part) : part;
    }

    /// A part of an escaped text is one.
    private static Object remarked(Object part) {
        return part instanceof String text ? new Markup(text) : part;
    }

    /// `target.name`: a method or attribute first, then a key.
    private Object attribute(Object target, String name) {
        if (target instanceof Undefined undefined) {
            throw undefined.refused();
        }
        if (target instanceof Namespace namespace) {
            return namespace.attributes().containsKey(name)
                    ? namespace.attributes().get(name)
                    : new Undefined("attribute '" + name + "'");
        }
        if (target instanceof LoopState loop) {
            return loop.attribute(name);
        }
        Object method = methods.find(target, name);
        return method != null ? method : operations.item(target, name);
    }

    /// `target[index]`: a key first, then a method or attribute.
    private Object item(Object target, Object index) {
        if (target instanceof Markup markup) {
            return remarked(operations.item(markup.text(), index));
        }
        Object value =
                target instanceof Namespace || target instanceof LoopState
                        ? new Undefined("this element")
                        : operations.item(target, index);
        boolean named = value instanceof Undefined && index instanceof String;
        return named ? attribute(target, (String) index) : value;
    }

    private Object call(Expression.Call call, Scope scope) {
        Object target = evaluate(call.target(), scope);
        if (target instanceof Callable callable) {
            return callable.call(arguments(call.positional(), call.named(), scope));
        }
        if (target instanceof Undefined undefined) {
            throw undefined.refused();
        }
        throw new TemplateException(Operations.typeName(target) + " cannot be called");
    }

    Arguments arguments(List<Expression> positional, Map<String, Expression> named, Scope scope) {
        if (positional.isEmpty() && named.isEmpty()) {
            return Arguments.NONE;
        }
        List<Object> first = new ArrayList<>();
        for (Expression expression : positional) {
            if (expression instanceof Expression.Unpacked unpacked) {
                List<?> further = operations.iterate(plain(unpacked.values(), scope));
                budget.elements(further.size());
                first.addAll(further);
            } else {
                first.add(evaluate(expression, scope));
            }
        }
        Map<String, Object> values = new LinkedHashMap<>();
        named.forEach((name, expression) -> {
            if (expression instanceof Expression.Unpacked unpacked) {
                unpack(plain(unpacked.values(), scope), values);
            } else {
                values.put(name, evaluate(expression, scope));
            }
        });
        return new Arguments(first, values);
    }

    private void unpack(Object value, Map<String, Object> named) {
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("** needs a dict, not " + Operations.typeName(value));
        }
        budget.elements(map.size());
        map.forEach((key, element) -> {
            if (!(key instanceof String name) || named.containsKey(name)) {
                throw new TemplateException("an unpacked argument is given twice or has no name");
            }
            named.put(name, element);
        });
    }

    private Object sign(Expression.Sign sign, Scope scope) {
        Object value = evaluate(sign.operand(), scope);
        if (sign.negative()) {
            return Numbers.negate(value);
        }
        if (!Operations.isNumber(value)) {
            throw new TemplateException("+ of " + Operations.typeName(value));
        }
        return value;
    }

    private boolean compare(Expression.Compare compare, Scope scope) {
        Object left = plain(compare.first(), scope);
        for (int i = 0; i < compare.operators().size(); i++) {
            Object right = plain(compare.others().get(i), scope);
            boolean holds =
                    switch (compare.operators().get(i)) {
                        case "==" -> operations.equal(left, right);
                        case "!=" -> !operations.equal(left, right);
                        case "<" -> operations.compare(left, right) < 0;
                        case "<=" -> operations.compare(left, right) <= 0;
                        case ">" -> operations.compare(left, right) > 0;
                        case ">=" -> operations.compare(left, right) >= 0;
                        case "in" -> operations.contains(right, left);
                        default -> !operations.contains(right, left);
                    };
            if (!holds) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object choose(Expression.Conditional choice, Scope scope) {
        if (isTrue(choice.condition(), scope)) {
            return evaluate(choice.then(), scope);
        }
        return choice.otherwise() == null
                ? new Undefined("the value of an if without else")
                : evaluate(choice.otherwise(), scope);
    }
}
