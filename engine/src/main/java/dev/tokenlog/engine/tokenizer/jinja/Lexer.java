package dev.tokenlog.engine.tokenizer.jinja;

import dev.tokenlog.engine.tokenizer.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Cuts a template into pieces, with `trim_blocks` (the newline after a tag goes) and
/// `lstrip_blocks` (blanks before a tag on its line go), as `jinja2.lexer` does.
final class Lexer {

    private static final Pattern FLOAT =
            Pattern.compile("(?<!\\.)\\d[\\d_]*(?:\\.\\d[\\d_]*(?:[eE][+-]?\\d+)?|[eE][+-]?\\d+)");
    private static final Pattern INTEGER =
            Pattern.compile("0[xX][\\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\\d[\\d_]*");
    private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*");
    private static final Pattern END_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");
    private static final Pattern BEGIN_RAW = Pattern.compile("\\{%([-+]?)\\s*raw\\s*([-+]?)%}");
    private static final List<String> OPERATORS =
            List.of(
                    "==", "!=", "<=", ">=", "**", "//", "+", "-", "*", "/", "%", "~", "<", ">", "=",
                    "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", ";");

    private final String source;
    private final List<Piece> pieces = new ArrayList<>();
    private int at;
    private int line = 1;
    private int lineCounted;

    /// Whether the tag before ended with a newline that it took along.
    private boolean lineStarting = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Piece> cut(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        Lexer lexer = new Lexer(source);
        lexer.run();
        return lexer.pieces;
    }

    private void run() {
        while (at < source.length()) {
            int open = nextTag(at);
            if (open < 0) {
                text(source.substring(at));
                return;
            }
            char kind = source.charAt(open + 1);
            char sign = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
            text(before(source.substring(at, open), sign, kind != '{'));
            moveTo(open);
            switch (kind) {
                case '#' -> comment();
                case '{' -> expression(line, "}}");
                default -> {
                    if (!raw()) {
                        expression(line, "%}");
                    }
                }
            }
        }
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0; i = source.indexOf('{', i + 1)) {
            if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    /// The text before a tag, without what the tag's sign or `lstrip_blocks` takes away.
    private String before(String text, char sign, boolean stripsLine) {
        if (sign == '-') {
            return PythonText.strip(text, null, false, true);
        }
        if (sign == '+' || !stripsLine) {
            return text;
        }
        int start = text.lastIndexOf('\n') + 1;
        boolean fromLineStart = start > 0 || lineStarting;
        return fromLineStart && PythonText.isBlank(text.substring(start))
                ? text.substring(0, start)
                : text;
    }

    private void text(String text) {
        if (!text.isEmpty()) {
            pieces.add(new Piece.Text(line, text));
        }
    }

    private void comment() {
        int end = source.indexOf("#}", at + 2);
        if (end < 0) {
            throw new TemplateException(line, "a comment is not closed");
        }
        closeTag(end, source.charAt(end - 1), true);
    }

    /// Moves behind a closing tag and what its sign or `trim_blocks` takes away.
    private void closeTag(int end, char sign, boolean trims) {
        int next = end + 2;
        if (sign == '-') {
            while (next < source.length() && PythonText.isSpace(source.charAt(next))) {
                next++;
            }
        } else if (sign != '+' && trims && next < source.length() && source.charAt(next) == '\n') {
            next++;
        }
        moveTo(next);
        lineStarting = source.charAt(next - 1) == '\n';
    }

    private boolean raw() {
        Matcher begin = BEGIN_RAW.matcher(source).region(at, source.length());
        if (!begin.lookingAt()) {
            return false;
        }
        int startLine = line;
        closeTag(begin.end() - 2, signOf(begin.group(2)), false);
        Matcher end = END_RAW.matcher(source);
        if (!end.find(at)) {
            throw new TemplateException(startLine, "a raw block is not closed");
        }
        text(before(source.substring(at, end.start()), signOf(end.group(1)), true));
        closeTag(end.end() - 2, signOf(end.group(2)), true);
        return true;
    }

    private static char signOf(String group) {
        return group.isEmpty() ? ' ' : group.charAt(0);
    }

    private void expression(int startLine, String close) {
        boolean tag = close.equals("%}");
        int i = at + 2;
        if (i < source.length() && (source.charAt(i) == '-' || source.charAt(i) == '+')) {
            i++;
        }
        List<Token> tokens = new ArrayList<>();
        int open = 0;
        while (true) {
            while (i < source.length() && PythonText.isSpace(source.charAt(i))) {
                i++;
            }
            moveTo(Math.min(i, source.length()));
            if (i >= source.length()) {
                throw new TemplateException(startLine, "a tag is not closed by " + close);
            }
            if (open == 0) {
                char c = source.charAt(i);
                boolean signed = (c == '-' || c == '+') && source.startsWith(close, i + 1);
                if (signed || source.startsWith(close, i)) {
                    tokens.add(new Token(Kind.END, "", line));
                    pieces.add(
                            tag
                                    ? new Piece.Tag(startLine, List.copyOf(tokens))
                                    : new Piece.Output(startLine, List.copyOf(tokens)));
                    closeTag(signed ? i + 1 : i, signed ? c : ' ', tag);
                    return;
                }
            }
            i = token(i, tokens);
            Token last = tokens.getLast();
            if (last.kind() == Kind.OPERATOR) {
                open += "([{".contains(last.text()) ? 1 : ")]}".contains(last.text()) ? -1 : 0;
                if (open < 0) {
                    throw new TemplateException(line, "unexpected " + last.text());
                }
            }
        }
    }

    /// Reads one token at `i` and returns where it ends.
    private int token(int i, List<Token> tokens) {
        char c = source.charAt(i);
        if (c == '\'' || c == '"') {
            int end = i + 1;
            while (end < source.length() && source.charAt(end) != c) {
                end += source.charAt(end) == '\\' ? 2 : 1;
            }
            if (end >= source.length()) {
                throw new TemplateException(line, "a string is not closed");
            }
            tokens.add(new Token(Kind.STRING, Escapes.decode(source.substring(i + 1, end)), line));
            return end + 1;
        }
        for (Kind kind : List.of(Kind.FLOAT, Kind.INTEGER, Kind.NAME)) {
            Pattern pattern = kind == Kind.FLOAT ? FLOAT : kind == Kind.INTEGER ? INTEGER : NAME;
            Matcher matcher =
                    pattern.matcher(source).region(i, source.length()).useTransparentBounds(true);
            if (matcher.lookingAt()) {
                tokens.add(new Token(kind, matcher.group(), line));
                return matcher.end();
            }
        }
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, i)) {
                tokens.add(new Token(Kind.OPERATOR, operator, line));
                return i + operator.length();
            }
        }
        throw new TemplateException(line, "unexpected character '" + c + "'");
    }

    private void moveTo(int position) {
        for (; lineCounted < position; lineCounted++) {
            if (source.charAt(lineCounted) == '\n') {
                line++;
            }
        }
        at = position;
    }
}
