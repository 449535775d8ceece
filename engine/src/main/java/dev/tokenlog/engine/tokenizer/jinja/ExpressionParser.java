package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Reads expressions with the precedences of `jinja2.parser`.
final class ExpressionParser {

    private static final int MAX_NESTING = 100;

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", ">", "<=", ">=");
    private static final Set<String> NO_TEST_ARGUMENT = Set.of("else", "or", "and");

    private final List<Token> tokens;
    private final boolean conditional;
    private int at;
    private int depth;

    /// @param conditional whether a filter or test that does not exist is refused only when it is
    ///   used, as jinja2 does it within an `if`: templates ask for what other engines have
    ExpressionParser(List<Token> tokens, boolean conditional) {
        this.tokens = tokens;
        this.conditional = conditional;
    }

    Token peek() {
        return tokens.get(at);
    }

    private Token peekSecond() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    boolean skipOperator(String operator) {
        boolean found = peek().isOperator(operator);
        at += found ? 1 : 0;
        return found;
    }

    boolean skipName(String name) {
        boolean found = peek().isName(name);
        at += found ? 1 : 0;
        return found;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("expected " + operator);
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw unexpected("expected " + name);
        }
    }

    String name() {
        Token token = next();
        if (token.kind() != Kind.NAME) {
            throw unexpected(token, "expected a name");
        }
        return token.text();
    }

    void end() {
        if (peek().kind() != Kind.END) {
            throw unexpected("expected the end of the tag");
        }
    }

    TemplateException unexpected(String expected) {
        return unexpected(peek(), expected);
    }

    private static TemplateException unexpected(Token token, String expected) {
        String found = token.kind() == Kind.END ? "the end of the tag" : "'" + token.text() + "'";
        return new TemplateException(token.line(), "found " + found + ", " + expected);
    }

    /// An expression, or several with commas between, which make a tuple.
    Expression tuple() {
        Expression first = expression();
        if (!peek().isOperator(",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (skipOperator(",")) {
            if (peek().kind() == Kind.END || peek().isOperator(")")) {
                break;
            }
            items.add(expression());
        }
        return new Expression.TupleOf(List.copyOf(items));
    }

    Expression expression() {
        enter();
        Expression value = or();
        while (skipName("if")) {
            Expression condition = or();
            Expression otherwise = skipName("else") ? expression() : null;
            value = new Expression.Conditional(condition, value, otherwise);
        }
        depth--;
        return value;
    }

    private void enter() {
        if (++depth > MAX_NESTING) {
            throw unexpected("and that is nested too deep");
        }
    }

    /// Without a conditional behind it, which in `for x in y if z` belongs to the loop.
    Expression or() {
        Expression left = and();
        while (skipName("or")) {
            left = new Expression.Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (skipName("and")) {
            left = new Expression.And(left, not());
        }
        return left;
    }

    private Expression not() {
        if (peek().isName("not") && !peekSecond().isName("in")) {
            enter();
            next();
            Expression operand = new Expression.Not(not());
            depth--;
            return operand;
        }
        return compare();
    }

    private Expression compare() {
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        while (true) {
            if (peek().kind() == Kind.OPERATOR && COMPARISONS.contains(peek().text())) {
                operators.add(next().text());
            } else if (skipName("in")) {
                operators.add("in");
            } else if (peek().isName("not") && peekSecond().isName("in")) {
                next();
                next();
                operators.add("not in");
            } else {
                break;
            }
            others.add(sum());
        }
        return operators.isEmpty()
                ? first
                : new Expression.Compare(first, List.copyOf(operators), List.copyOf(others));
    }

    private Expression sum() {
        Expression left = concatenation();
        while (peek().isOperator("+") || peek().isOperator("-")) {
            left = new Expression.Arithmetic(next().text(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        Expression left = product();
        while (skipOperator("~")) {
            left = new Expression.Arithmetic("~", left, product());
        }
        return left;
    }

    private Expression product() {
        Expression left = power();
        while (peek().isOperator("*")
                || peek().isOperator("/")
                || peek().isOperator("//")
                || peek().isOperator("%")) {
            left = new Expression.Arithmetic(next().text(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (skipOperator("**")) {
            left = new Expression.Arithmetic("**", left, unary(true));
        }
        return left;
    }

    private Expression unary(boolean withFilters) {
        Expression value;
        if (peek().isOperator("-") || peek().isOperator("+")) {
            enter();
            value = new Expression.Sign(next().text().equals("-"), unary(false));
            depth--;
        } else {
            value = primary();
        }
        value = postfix(value);
        return withFilters ? filtersAndTests(value) : value;
    }

    private Expression primary() {
        Token token = next();
        return switch (token.kind()) {
            case NAME -> named(token.text());
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (peek().kind() == Kind.STRING) {
                    text.append(next().text());
                }
                yield new Expression.Literal(text.toString());
            }
            case INTEGER -> new Expression.Literal(integer(token));
            case FLOAT -> new Expression.Literal(Double.parseDouble(token.text().replace("_", "")));
            case OPERATOR -> bracketed(token);
            case END -> throw unexpected(token, "expected a value");
        };
    }

    private static Expression named(String name) {
        return switch (name) {
            case "true", "True" -> new Expression.Literal(true);
            case "false", "False" -> new Expression.Literal(false);
            case "none", "None" -> new Expression.Literal(null);
            default -> new Expression.Name(name);
        };
    }

    private static Object integer(Token token) {
        String digits = token.text().replace("_", "").toLowerCase(java.util.Locale.ROOT);
        int radix =
                digits.startsWith("0x")
                        ? 16
                        : digits.startsWith("0o") ? 8 : digits.startsWith("0b") ? 2 : 10;
        if (digits.length() > 100) {
            throw unexpected(token, "expected a smaller number");
        }
        BigInteger value = new BigInteger(radix == 10 ? digits : digits.substring(2), radix);
        return Numbers.narrow(value);
    }

    private Expression bracketed(Token open) {
        switch (open.text()) {
            case "(" -> {
                if (skipOperator(")")) {
                    return new Expression.TupleOf(List.of());
                }
                Expression inner = tuple();
                expectOperator(")");
                return inner;
            }
            case "[" -> {
                List<Expression> items = new ArrayList<>();
                while (!skipOperator("]")) {
                    items.add(expression());
                    if (!peek().isOperator("]")) {
                        expectOperator(",");
                    }
                }
                return new Expression.ListOf(List.copyOf(items));
            }
            case "{" -> {
                List<Expression> keys = new ArrayList<>();
                List<Expression> values = new ArrayList<>();
                while (!skipOperator("}")) {
                    keys.add(expression());
                    expectOperator(":");
                    values.add(expression());
                    if (!peek().isOperator("}")) {
                        expectOperator(",");
                    }
                }
                return new Expression.DictOf(List.copyOf(keys), List.copyOf(values));
            }
            default -> throw unexpected(open, "expected a value");
        }
    }

    private Expression postfix(Expression value) {
        Expression target = value;
        while (true) {
            if (skipOperator(".")) {
                Token token = next();
                if (token.kind() == Kind.NAME) {
                    target = new Expression.Attribute(target, token.text());
                } else if (token.kind() == Kind.INTEGER) {
                    target = new Expression.Item(target, new Expression.Literal(integer(token)));
                } else {
                    throw unexpected(token, "expected a name or an index after the dot");
                }
            } else if (skipOperator("[")) {
                target = subscript(target);
            } else if (peek().isOperator("(")) {
                target = call(target);
            } else {
                return target;
            }
        }
    }

    private Expression subscript(Expression target) {
        Expression start = peek().isOperator(":") ? null : tuple();
        if (skipOperator("]")) {
            return new Expression.Item(target, start);
        }
        expectOperator(":");
        Expression stop = peek().isOperator(":") || peek().isOperator("]") ? null : expression();
        Expression step = null;
        if (skipOperator(":") && !peek().isOperator("]")) {
            step = expression();
        }
        expectOperator("]");
        return new Expression.Slice(target, start, stop, step);
    }

    Expression.Call call(Expression target) {
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        arguments(positional, named);
        return new Expression.Call(target, List.copyOf(positional), named);
    }

    private void arguments(List<Expression> positional, Map<String, Expression> named) {
        expectOperator("(");
        while (!skipOperator(")")) {
            boolean unpacked =
                    !positional.isEmpty() && positional.getLast() instanceof Expression.Unpacked;
            if (named.containsKey(Expression.Unpacked.NAMED)) {
                throw unexpected("expected no argument after unpacked ones");
            }
            if (skipOperator("**")) {
                named.put(Expression.Unpacked.NAMED, new Expression.Unpacked(expression()));
            } else if (!unpacked && skipOperator("*")) {
                positional.add(new Expression.Unpacked(expression()));
            } else if (peek().kind() == Kind.NAME && peekSecond().isOperator("=")) {
                String name = name();
                next();
                if (named.put(name, expression()) != null) {
                    throw unexpected("an argument is given twice: " + name);
                }
            } else if (named.isEmpty() && !unpacked) {
                positional.add(expression());
            } else {
                throw unexpected("expected a named argument");
            }
            if (!peek().isOperator(")")) {
                expectOperator(",");
            }
        }
    }

    private Expression filtersAndTests(Expression value) {
        Expression result = value;
        while (true) {
            if (skipOperator("|")) {
                result = filter(result);
            } else if (skipName("is")) {
                result = test(result);
            } else if (peek().isOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    Expression filter(Expression input) {
        Token token = peek();
        String name = name();
        if (!conditional && !Filters.exists(name)) {
            throw new TemplateException(token.line(), "there is no filter '" + name + "'");
        }
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        if (peek().isOperator("(")) {
            arguments(positional, named);
        }
        return new Expression.Filter(input, name, List.copyOf(positional), named);
    }

    private Expression test(Expression input) {
        boolean negated = skipName("not");
        Token token = peek();
        String name = name();
        if (!conditional && !Tests.exists(name)) {
            throw new TemplateException(token.line(), "there is no test '" + name + "'");
        }
        List<Expression> arguments = new ArrayList<>();
        if (peek().isOperator("(")) {
            Map<String, Expression> named = new LinkedHashMap<>();
            arguments(arguments, named);
            if (!named.isEmpty()) {
                throw unexpected("a test takes no named arguments");
            }
        } else if (peek().isName("is")) {
            throw unexpected("expected no test of a test");
        } else if (beginsTestArgument(peek())) {
            arguments.add(postfix(primary()));
        }
        return new Expression.Test(input, name, List.copyOf(arguments), negated);
    }

    private static boolean beginsTestArgument(Token token) {
        return switch (token.kind()) {
            case STRING, INTEGER, FLOAT -> true;
            case NAME -> !NO_TEST_ARGUMENT.contains(token.text());
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            case END -> false;
        };
    }
}
