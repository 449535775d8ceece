package dev.tokenlog.engine.tokenizer.jinja;

import java.util.List;
import java.util.Map;

/// The syntax tree of an expression.
sealed interface Expression {

    record Literal(Object value) implements Expression {}

    record Name(String name) implements Expression {}

    record ListOf(List<Expression> items) implements Expression {}

    record TupleOf(List<Expression> items) implements Expression {}

    record DictOf(List<Expression> keys, List<Expression> values) implements Expression {}

    /// `target.name`
    record Attribute(Expression target, String name) implements Expression {}

    /// `target[index]`
    record Item(Expression target, Expression index) implements Expression {}

    /// `target[start:stop:step]`, each of the three may be null.
    record Slice(Expression target, Expression start, Expression stop, Expression step)
            implements Expression {}

    record Call(Expression target, List<Expression> positional, Map<String, Expression> named)
            implements Expression {}

    /// `*values` or `**values` among the arguments of a call. The one for named arguments stands
    /// under the name `**`.
    record Unpacked(Expression values) implements Expression {
        static final String NAMED = "**";
    }

    /// `input | name(…)`
    record Filter(
            Expression input,
            String name,
            List<Expression> positional,
            Map<String, Expression> named)
            implements Expression {}

    /// `input is name(…)`
    record Test(Expression input, String name, List<Expression> arguments, boolean negated)
            implements Expression {}

    record Not(Expression operand) implements Expression {}

    /// `-operand` or `+operand`
    record Sign(boolean negative, Expression operand) implements Expression {}

    record And(Expression left, Expression right) implements Expression {}

    record Or(Expression left, Expression right) implements Expression {}

    /// `+ - * / // % ** ~`
    record Arithmetic(String operator, Expression left, Expression right) implements Expression {}

    /// `first op1 x1 op2 x2 …`, which holds if each neighbouring pair compares so.
    record Compare(Expression first, List<String> operators, List<Expression> others)
            implements Expression {}

    /// `then if condition else otherwise`; `otherwise` may be null.
    record Conditional(Expression condition, Expression then, Expression otherwise)
            implements Expression {}
}
