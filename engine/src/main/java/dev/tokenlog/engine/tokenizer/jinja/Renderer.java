package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Values.Arguments;
import dev.tokenlog.engine.tokenizer.jinja.Values.Callable;
import dev.tokenlog.engine.tokenizer.jinja.Values.Generator;
import dev.tokenlog.engine.tokenizer.jinja.Values.Markup;
import dev.tokenlog.engine.tokenizer.jinja.Values.Namespace;
import dev.tokenlog.engine.tokenizer.jinja.Values.Scope;
import dev.tokenlog.engine.tokenizer.jinja.Values.Tuple;
import dev.tokenlog.engine.tokenizer.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Runs statements and writes their text.
final class Renderer {

    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    private final Budget budget;
    private final Evaluator evaluator;
    private StringBuilder out = new StringBuilder();

    Renderer(Budget budget) {
        this.budget = budget;
        this.evaluator = new Evaluator(budget);
    }

    String render(List<Statement> statements, Scope scope) {
        run(statements, scope);
        return out.toString();
    }

    private Flow run(List<Statement> statements, Scope scope) {
        budget.enter();
        for (Statement statement : statements) {
            budget.step();
            Flow flow;
            try {
                flow = run(statement, scope);
            } catch (TemplateException e) {
                throw e.atLine(statement.line());
            }
            if (flow != Flow.ON) {
                budget.leave();
                return flow;
            }
        }
        budget.leave();
        return Flow.ON;
    }

    private Flow run(Statement statement, Scope scope) {
        switch (statement) {
            case Statement.Text text -> write(text.text());
            case Statement.Output output ->
                    write(evaluator.operations().str(evaluator.evaluate(output.value(), scope)));
            case Statement.Assign assign ->
                    assign(assign.targets(), evaluator.evaluate(assign.value(), scope), scope);
            case Statement.AssignAttribute assign -> {
                if (!(scope.get(assign.namespace()) instanceof Namespace namespace)) {
                    throw new TemplateException(
                            "'" + assign.namespace() + "' is no namespace: it cannot be changed");
                }
                namespace
                        .attributes()
                        .put(assign.attribute(), evaluator.evaluate(assign.value(), scope));
            }
            case Statement.Capture capture -> {
                return capture(capture, scope);
            }
            case Statement.Macro macro ->
                    scope.set(
                            macro.name(),
                            (Callable) a -> call(macro.signature(), macro.body(), scope, a, true));
            case Statement.CallBlock block -> callBlock(block, scope);
            case Statement.If choice -> {
                for (Statement.Branch branch : choice.branches()) {
                    if (evaluator.isTrue(branch.condition(), scope)) {
                        return run(branch.body(), scope);
                    }
                }
                return run(choice.otherwise(), scope);
            }
            case Statement.For loop -> {
                return loop(loop, scope);
            }
            case Statement.With with -> {
                Scope inner = new Scope(scope);
                for (int i = 0; i < with.names().size(); i++) {
                    inner.set(with.names().get(i), evaluator.evaluate(with.values().get(i), scope));
                }
                return run(with.body(), inner);
            }
            case Statement.Generation generation -> {
                return run(generation.body(), new Scope(scope));
            }
            case Statement.Break _ -> {
                return Flow.BREAK;
            }
            case Statement.Continue _ -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.ON;
    }

    private void write(String text) {
        budget.text(
                (long) out.length() + text.length() > Budget.MAX_TEXT
                        ? Long.MAX_VALUE
                        : text.length());
        out.append(text);
    }

    private void assign(List<String> targets, Object value, Scope scope) {
        if (targets.size() == 1) {
            scope.set(targets.getFirst(), value);
            return;
        }
        List<?> values = evaluator.operations().iterate(value);
        if (values.size() != targets.size()) {
            throw new TemplateException(
                    "cannot unpack " + values.size() + " values to " + targets.size());
        }
        for (int i = 0; i < targets.size(); i++) {
            scope.set(targets.get(i), values.get(i));
        }
    }

    /// The text that a body wrote, and how it ended: where it left a loop, the text is of no use.
    private record Captured(String text, Flow flow) {}

    private Captured captured(List<Statement> body, Scope scope) {
        StringBuilder outer = out;
        out = new StringBuilder();
        Flow flow = run(body, scope);
        Captured captured = new Captured(out.toString(), flow);
        out = outer;
        return captured;
    }

    private Flow capture(Statement.Capture capture, Scope scope) {
        Captured captured = captured(capture.body(), new Scope(scope));
        if (captured.flow() != Flow.ON) {
            return captured.flow();
        }
        Scope inner = new Scope(scope);
        inner.set(Statement.CAPTURED, captured.text());
        Object value = evaluator.evaluate(capture.value(), inner);
        if (capture.target() == null) {
            write(evaluator.operations().str(value));
        } else {
            scope.set(capture.target(), value);
        }
        return Flow.ON;
    }

    private void callBlock(Statement.CallBlock block, Scope scope) {
        Scope inner = new Scope(scope);
        Expression.Call call = block.call();
        Arguments arguments = evaluator.arguments(call.positional(), call.named(), scope);
        Object target = evaluator.evaluate(call.target(), scope);
        if (!(target instanceof Callable callable)) {
            throw new TemplateException("call expects a macro");
        }
        Callable caller = a -> call(block.signature(), block.body(), inner, a, false);
        arguments = new Arguments(arguments.positional(), new LinkedHashMap<>(arguments.named()));
        arguments.named().put("caller", caller);
        write(evaluator.operations().str(callable.call(arguments)));
    }

    /// A macro or the body of a call block, as a function that returns its text.
    private String call(
            Statement.Signature signature,
            List<Statement> body,
            Scope definition,
            Arguments arguments,
            boolean takesCaller) {
        Scope scope = new Scope(definition);
        Set<String> known = new HashSet<>();
        List<Statement.Parameter> parameters = signature.parameters();
        for (int i = 0; i < parameters.size(); i++) {
            Statement.Parameter parameter = parameters.get(i);
            Object value;
            if (i < arguments.positional().size()
                    && arguments.named().containsKey(parameter.name())) {
                throw new TemplateException("parameter '" + parameter.name() + "' is given twice");
            }
            if (arguments.has(i, parameter.name())) {
                value = arguments.get(i, parameter.name(), null);
            } else if (parameter.fallback() != null) {
                value = evaluator.evaluate(parameter.fallback(), scope);
            } else {
                value = new Undefined("parameter '" + parameter.name() + "'");
            }
            scope.set(parameter.name(), value);
            known.add(parameter.name());
        }
        if (takesCaller) {
            Undefined none = new Undefined("'caller'");
            scope.set("caller", arguments.named().getOrDefault("caller", none));
            known.add("caller");
        }
        List<Object> given = arguments.positional();
        List<Object> further =
                given.subList(Math.min(parameters.size(), given.size()), given.size());
        budget.elements(arguments.named().size() + further.size());
        Map<Object, Object> others = new LinkedHashMap<>(arguments.named());
        others.keySet().removeAll(known);
        if ((!further.isEmpty() && !signature.varargs())
                || (!others.isEmpty() && !signature.kwargs())) {
            throw new TemplateException(
                    "a macro takes " + parameters.size() + " parameters and was given others");
        }
        if (signature.varargs()) {
            List<Object> plain = new ArrayList<>(further);
            plain.replaceAll(Markup::plain);
            scope.set("varargs", new Tuple(plain));
        }
        if (signature.kwargs()) {
            others.replaceAll((_, value) -> Markup.plain(value));
            scope.set("kwargs", others);
        }
        return captured(body, scope).text(); // no loop reaches into a macro
    }

    private Flow loop(Statement.For loop, Scope scope) {
        Object value = Markup.plain(evaluator.evaluate(loop.items(), scope));
        List<?> items = evaluator.operations().iterate(value);
        if (loop.filter() != null) {
            List<Object> chosen = new ArrayList<>();
            for (Object item : items) {
                budget.elements(1);
                Scope tested = new Scope(scope);
                assign(loop.targets(), item, tested);
                if (evaluator.isTrue(loop.filter(), tested)) {
                    chosen.add(item);
                }
            }
            items = chosen;
        }
        boolean finished = false;
        LoopState state = new LoopState(items, evaluator.operations());
        for (int i = 0; i < items.size(); i++) {
            state.moveTo(i);
            Scope inner = new Scope(scope);
            inner.set("loop", state);
            assign(loop.targets(), items.get(i), inner);
            Flow flow = run(loop.body(), inner);
            if (flow == Flow.BREAK) {
                if (value instanceof Generator generator && loop.filter() == null) {
                    generator.putBack(items.subList(i + 1, items.size()));
                }
                break;
            }
            finished |= flow == Flow.ON;
        }
        // as jinja2 does it: `else` is for loops of which no body was run to its end
        return finished ? Flow.ON : run(loop.otherwise(), new Scope(scope));
    }
}
