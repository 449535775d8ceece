package dev.tokenlog.engine.tokenizer.jinja;

/// A template that cannot be read or rendered.
public final class TemplateException extends RuntimeException {

    private final int line;

    TemplateException(int line, String message) {
        super(message);
        this.line = line;
    }

    /// Without a line: the statement that is being rendered adds it.
    TemplateException(String message) {
        this(0, message);
    }

    /// The beginning of what a template says, for a message.
    static String shown(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "…";
    }

    TemplateException atLine(int statementLine) {
        if (line != 0) {
            return this;
        }
        TemplateException located = new TemplateException(statementLine, getMessage());
        located.setStackTrace(getStackTrace());
        return located;
    }

    /// The line of the template, from 1.
    public int line() {
        return line;
    }
}
