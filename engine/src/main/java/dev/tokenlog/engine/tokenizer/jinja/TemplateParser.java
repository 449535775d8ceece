package dev.tokenlog.engine.tokenizer.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// Reads tags and what stands between them.
final class TemplateParser {

    private static final int MAX_NESTING = 100;

    private final List<Piece> pieces;
    private int at;
    private int depth;
    private int loops;
    private int conditions;

    private TemplateParser(List<Piece> pieces) {
        this.pieces = pieces;
    }

    static List<Statement> parse(List<Piece> pieces) {
        TemplateParser parser = new TemplateParser(pieces);
        return parser.body(Set.of());
    }

    /// Statements up to a tag that begins with one of these names, which is left for the caller, or
    /// to the template's end if there are none.
    private List<Statement> body(Set<String> until) {
        List<Statement> statements = new ArrayList<>();
        int startLine = at == 0 ? 1 : pieces.get(at - 1).line(); // of the tag that opened it
        if (++depth > MAX_NESTING) {
            throw new TemplateException(startLine, "blocks are nested too deep");
        }
        while (at < pieces.size()) {
            Piece piece = pieces.get(at);
            switch (piece) {
                case Piece.Text text -> {
                    statements.add(new Statement.Text(text.line(), text.text()));
                    at++;
                }
                case Piece.Output output -> {
                    ExpressionParser parser = parser(output.tokens());
                    statements.add(new Statement.Output(output.line(), parser.tuple()));
                    parser.end();
                    at++;
                }
                case Piece.Tag tag -> {
                    if (until.contains(tag.tokens().getFirst().text())) {
                        depth--;
                        return List.copyOf(statements);
                    }
                    at++;
                    statements.add(statement(tag));
                }
            }
        }
        if (!until.isEmpty()) {
            throw new TemplateException(
                    startLine, "a block is not closed by " + new TreeSet<>(until));
        }
        depth--;
        return List.copyOf(statements);
    }

    private ExpressionParser parser(List<Token> tokens) {
        return new ExpressionParser(tokens, conditions > 0);
    }

    private Statement statement(Piece.Tag tag) {
        boolean condition = tag.tokens().getFirst().isName("if");
        conditions += condition ? 1 : 0;
        Statement statement = statement(tag.line(), parser(tag.tokens()));
        conditions -= condition ? 1 : 0;
        return statement;
    }

    private Statement statement(int line, ExpressionParser parser) {
        String name = parser.name();
        return switch (name) {
            case "if" -> conditional(line, parser);
            case "for" -> loop(line, parser);
            case "set" -> assignment(line, parser);
            case "macro" -> {
                String macro = parser.name();
                List<Statement.Parameter> parameters = parameters(parser);
                int from = at;
                List<Statement> body = block(parser, "endmacro");
                yield new Statement.Macro(line, macro, signature(parameters, from), body);
            }
            case "call" -> {
                List<Statement.Parameter> parameters =
                        parser.peek().isOperator("(") ? parameters(parser) : List.of();
                if (!(parser.expression() instanceof Expression.Call call)) {
                    throw new TemplateException(line, "call expects the call of a macro");
                }
                int from = at;
                List<Statement> body = block(parser, "endcall");
                yield new Statement.CallBlock(line, signature(parameters, from), call, body);
            }
            case "filter" -> {
                Expression value = parser.filter(new Expression.Name(Statement.CAPTURED));
                while (parser.skipOperator("|")) {
                    value = parser.filter(value);
                }
                yield new Statement.Capture(line, null, value, block(parser, "endfilter"));
            }
            case "with" -> with(line, parser);
            case "generation" -> new Statement.Generation(line, block(parser, "endgeneration"));
            case "break", "continue" -> {
                parser.end();
                if (loops == 0) {
                    throw new TemplateException(line, name + " outside of a loop");
                }
                yield name.equals("break")
                        ? new Statement.Break(line)
                        : new Statement.Continue(line);
            }
            default -> throw new TemplateException(line, "there is no tag '" + name + "' here");
        };
    }

    /// The rest of an opening tag is empty; the body up to the closing tag, which is consumed.
    private List<Statement> block(ExpressionParser parser, String end) {
        parser.end();
        int outerLoops = loops;
        if (end.equals("endmacro") || end.equals("endcall")) {
            loops = 0;
        }
        List<Statement> body = body(Set.of(end));
        loops = outerLoops;
        closing();
        return body;
    }

    private void closing() {
        ExpressionParser parser = parser(((Piece.Tag) pieces.get(at++)).tokens());
        String name = parser.name();
        if (name.equals("endmacro") && parser.peek().kind() == Token.Kind.NAME) {
            parser.next();
        }
        parser.end();
    }

    private Statement conditional(int line, ExpressionParser first) {
        List<Statement.Branch> branches = new ArrayList<>();
        ExpressionParser parser = first;
        while (true) {
            Expression condition = parser.tuple();
            parser.end();
            List<Statement> body = body(Set.of("elif", "else", "endif"));
            branches.add(new Statement.Branch(condition, body));
            parser = parser(((Piece.Tag) pieces.get(at)).tokens());
            if (!parser.skipName("elif")) {
                break;
            }
            at++;
        }
        List<Statement> otherwise = List.of();
        if (parser.skipName("else")) {
            parser.end();
            at++;
            otherwise = body(Set.of("endif"));
        }
        closing();
        return new Statement.If(line, List.copyOf(branches), otherwise);
    }

    private Statement loop(int line, ExpressionParser parser) {
        List<String> targets = targets(parser);
        parser.expectName("in");
        Expression items = parser.or();
        Expression filter = parser.skipName("if") ? parser.expression() : null;
        parser.end();
        loops++;
        List<Statement> body = body(Set.of("else", "endfor"));
        loops--;
        List<Statement> otherwise = List.of();
        if (((Piece.Tag) pieces.get(at)).tokens().getFirst().isName("else")) {
            closing();
            otherwise = body(Set.of("endfor"));
        }
        closing();
        return new Statement.For(line, targets, items, filter, body, otherwise);
    }

    private static List<String> targets(ExpressionParser parser) {
        boolean bracketed = parser.skipOperator("(");
        List<String> targets = new ArrayList<>(List.of(parser.name()));
        while (parser.skipOperator(",")) {
            targets.add(parser.name());
        }
        if (bracketed) {
            parser.expectOperator(")");
        }
        return List.copyOf(targets);
    }

    private Statement assignment(int line, ExpressionParser parser) {
        List<String> targets = targets(parser);
        if (targets.size() == 1 && parser.skipOperator(".")) {
            String attribute = parser.name();
            parser.expectOperator("=");
            Expression value = parser.tuple();
            parser.end();
            return new Statement.AssignAttribute(line, targets.getFirst(), attribute, value);
        }
        if (parser.skipOperator("=")) {
            Expression value = parser.tuple();
            parser.end();
            return new Statement.Assign(line, targets, value);
        }
        if (targets.size() > 1) {
            throw parser.unexpected("expected =");
        }
        Expression value = new Expression.Name(Statement.CAPTURED);
        while (parser.skipOperator("|")) {
            value = parser.filter(value);
        }
        return new Statement.Capture(line, targets.getFirst(), value, block(parser, "endset"));
    }

    private static List<Statement.Parameter> parameters(ExpressionParser parser) {
        List<Statement.Parameter> parameters = new ArrayList<>();
        parser.expectOperator("(");
        while (!parser.skipOperator(")")) {
            String name = parser.name();
            Expression fallback = parser.skipOperator("=") ? parser.expression() : null;
            parameters.add(new Statement.Parameter(name, fallback));
            if (!parser.peek().isOperator(")")) {
                parser.expectOperator(",");
            }
        }
        return List.copyOf(parameters);
    }

    /// @param from the first piece of the body that was just read
    private Statement.Signature signature(List<Statement.Parameter> parameters, int from) {
        return new Statement.Signature(
                parameters, speaksOf("varargs", from), speaksOf("kwargs", from));
    }

    private boolean speaksOf(String name, int from) {
        return pieces.subList(from, at).stream()
                .anyMatch(piece ->
                        switch (piece) {
                            case Piece.Text _ -> false;
                            case Piece.Output output -> contains(output.tokens(), name);
                            case Piece.Tag tag -> contains(tag.tokens(), name);
                        });
    }

    private static boolean contains(List<Token> tokens, String name) {
        return tokens.stream().anyMatch(token -> token.isName(name));
    }

    private Statement with(int line, ExpressionParser parser) {
        List<String> names = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (parser.peek().kind() != Token.Kind.END) {
            names.add(parser.name());
            parser.expectOperator("=");
            values.add(parser.expression());
            if (parser.peek().kind() != Token.Kind.END) {
                parser.expectOperator(",");
            }
        }
        return new Statement.With(
                line, List.copyOf(names), List.copyOf(values), block(parser, "endwith"));
    }
}
