package dev.tokenlog.engine.tokenizer.jinja;

import java.util.List;

/// The syntax tree of a template.
sealed interface Statement {

    int line();

    record Text(int line, String text) implements Statement {}

    record Output(int line, Expression value) implements Statement {}

    record If(int line, List<Branch> branches, List<Statement> otherwise) implements Statement {}

    record Branch(Expression condition, List<Statement> body) {}

    /// @param targets one name, or several that each element is unpacked to
    /// @param filter null, or what an element must fulfil
    record For(
            int line,
            List<String> targets,
            Expression items,
            Expression filter,
            List<Statement> body,
            List<Statement> otherwise)
            implements Statement {}

    record Assign(int line, List<String> targets, Expression value) implements Statement {}

    record AssignAttribute(int line, String namespace, String attribute, Expression value)
            implements Statement {}

    /// A body whose text goes through filters and is assigned or, without a target, written.
    ///
    /// @param value an expression over [#CAPTURED]
    record Capture(int line, String target, Expression value, List<Statement> body)
            implements Statement {}

    /// The variable that holds a captured body: a name that no template can write.
    String CAPTURED = "captured text";

    record Macro(int line, String name, Signature signature, List<Statement> body)
            implements Statement {}

    /// What a macro, or the body of a call block, takes.
    ///
    /// @param varargs whether its body speaks of `varargs`, and so takes any further values
    /// @param kwargs the same for `kwargs` and named ones
    record Signature(List<Parameter> parameters, boolean varargs, boolean kwargs) {}

    /// @param fallback null: undefined
    record Parameter(String name, Expression fallback) {}

    record CallBlock(int line, Signature signature, Expression.Call call, List<Statement> body)
            implements Statement {}

    record With(int line, List<String> names, List<Expression> values, List<Statement> body)
            implements Statement {}

    /// `generation`: marks what the assistant wrote, for training; here only a body.
    record Generation(int line, List<Statement> body) implements Statement {}

    record Break(int line) implements Statement {}

    record Continue(int line) implements Statement {}
}
