package dev.tokenlog.engine.tokenizer;

/// Decides whether a regular expression of a `tokenizer.json` can be given to the tokenizer
/// library, whose engine backtracks and takes the process down where it gives up.
///
/// Accepted is what needs a number of steps proportional to the text: on each way through the
/// expression at most one repetition without a narrow bound is followed by something that can still
/// fail, and no group is repeated. The expressions by which models cut words are of this kind.
final class SafeExpression {

    private static final int MAX_LENGTH = 4096;
    private static final int MAX_DEPTH = 16;

    /// Repetitions up to this bound count as constant.
    private static final int NARROW = 16;

    private final String expression;
    private int at;
    private int depth;

    private SafeExpression(String expression) {
        this.expression = expression;
    }

    /// @throws IllegalArgumentException saying what is not accepted
    static void check(String expression) {
        if (expression.isEmpty() || expression.length() > MAX_LENGTH) {
            throw new IllegalArgumentException(
                    expression.length() + " characters long, expected 1 to " + MAX_LENGTH);
        }
        SafeExpression parser = new SafeExpression(expression);
        parser.alternatives();
        if (parser.at < expression.length()) {
            throw parser.refused("')' without its beginning");
        }
    }

    /// How far a part of an expression can backtrack.
    ///
    /// @param loops repetitions that are followed by something that can fail
    /// @param open repetitions that nothing follows yet that can fail
    /// @param canFail whether there is a text on which it does not match
    private record Cost(int loops, int open, boolean canFail) {

        static final Cost EMPTY = new Cost(0, 0, false);
        static final Cost ONE = new Cost(0, 0, true);

        Cost then(Cost next) {
            return next.canFail
                    ? new Cost(loops + open + next.loops, next.open, true)
                    : new Cost(loops + next.loops, open + next.open, canFail);
        }

        Cost or(Cost other) {
            return new Cost(
                    Math.max(loops, other.loops),
                    Math.max(open, other.open),
                    canFail && other.canFail);
        }
    }

    private Cost alternatives() {
        if (++depth > MAX_DEPTH) {
            throw refused("groups in groups more than " + MAX_DEPTH + " deep");
        }
        Cost cost = sequence();
        while (at < expression.length() && expression.charAt(at) == '|') {
            at++;
            cost = cost.or(sequence());
        }
        if (cost.loops > 1) {
            throw refused("several repetitions in a row can be tried in too many ways");
        }
        depth--;
        return cost;
    }

    private Cost sequence() {
        Cost cost = Cost.EMPTY;
        while (at < expression.length()
                && expression.charAt(at) != '|'
                && expression.charAt(at) != ')') {
            cost = cost.then(item());
        }
        return cost;
    }

    private Cost item() {
        char c = expression.charAt(at);
        return switch (c) {
            case '(' -> group();
            case '[' -> {
                characterClass();
                yield repeated(Cost.ONE, false);
            }
            case '\\' -> {
                escape();
                yield repeated(Cost.ONE, false);
            }
            case '*', '+', '?' -> throw refused("a repetition of nothing");
            default -> {
                at += Character.charCount(expression.codePointAt(at));
                yield repeated(Cost.ONE, false);
            }
        };
    }

    private Cost group() {
        at++;
        boolean looksAround = false;
        if (at < expression.length() && expression.charAt(at) == '?') {
            at++;
            int end = at;
            while (end < expression.length() && ":=!<>-imx".indexOf(expression.charAt(end)) >= 0) {
                end++;
            }
            String kind = expression.substring(at, end);
            looksAround = kind.endsWith("=") || kind.endsWith("!");
            if (!kind.matches("[imx-]*:|=|!|<=|<!|>")) {
                throw refused("the kind of group '(?" + kind + "'");
            }
            at = end;
        }
        Cost inner = alternatives();
        if (at >= expression.length()) {
            throw refused("a group without an end");
        }
        at++;
        return repeated(looksAround ? Cost.ONE.then(inner).then(Cost.ONE) : inner, true);
    }

    /// The quantifier after an item, if there is one.
    private Cost repeated(Cost item, boolean group) {
        if (at >= expression.length()) {
            return item;
        }
        int least;
        int most;
        char c = expression.charAt(at);
        switch (c) {
            case '*' -> {
                least = 0;
                most = Integer.MAX_VALUE;
                at++;
            }
            case '+' -> {
                least = 1;
                most = Integer.MAX_VALUE;
                at++;
            }
            case '?' -> {
                least = 0;
                most = 1;
                at++;
            }
            case '{' -> {
                int end = expression.indexOf('}', at);
                String bounds = end < 0 ? "" : expression.substring(at + 1, end);
                if (!bounds.matches("\\d{1,6}(,\\d{0,6})?")) {
                    return item;
                }
                String[] parts = bounds.split(",", -1);
                least = Integer.parseInt(parts[0]);
                most =
                        parts.length == 1
                                ? least
                                : parts[1].isEmpty()
                                        ? Integer.MAX_VALUE
                                        : Integer.parseInt(parts[1]);
                at = end + 1;
            }
            default -> {
                return item;
            }
        }
        if (at < expression.length() && "?+".indexOf(expression.charAt(at)) >= 0) {
            at++;
        }
        if (at < expression.length() && "*+?{".indexOf(expression.charAt(at)) >= 0) {
            throw refused("a repetition of a repetition");
        }
        if (group && most > 1) {
            throw refused("a repeated group");
        }
        boolean wide = most > NARROW;
        return new Cost(item.loops, item.open + (wide ? 1 : 0), least > 0 && item.canFail);
    }

    private void characterClass() {
        int nested = 0;
        do {
            if (at >= expression.length()) {
                throw refused("a character class without an end");
            }
            char c = expression.charAt(at);
            if (c == '\\') {
                escape();
                continue;
            }
            at++;
            if (c == '[') {
                nested++;
                // A bracket at the very beginning of a class stands for itself.
                if (at < expression.length() && expression.charAt(at) == '^') {
                    at++;
                }
                if (at < expression.length() && expression.charAt(at) == ']') {
                    at++;
                }
            } else if (c == ']') {
                nested--;
            }
        } while (nested > 0);
    }

    private void escape() {
        at++;
        if (at >= expression.length()) {
            throw refused("a backslash at the end");
        }
        char c = expression.charAt(at++);
        boolean braces = at < expression.length() && expression.charAt(at) == '{';
        switch (c) {
            case 'p', 'P', 'x' -> {
                if (braces) {
                    int end = expression.indexOf('}', at);
                    if (end < 0) {
                        throw refused("\\" + c + "{ without an end");
                    }
                    at = end + 1;
                }
            }
            case '1', '2', '3', '4', '5', '6', '7', '8', '9', 'k', 'g', 'K', 'X', 'R' ->
                    throw refused("\\" + c);
            default -> {}
        }
    }

    private IllegalArgumentException refused(String what) {
        return new IllegalArgumentException(what + " at character " + at);
    }
}
