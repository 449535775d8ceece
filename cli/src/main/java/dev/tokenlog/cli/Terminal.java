package dev.tokenlog.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import picocli.CommandLine;

/// Where a command writes: answers to standard output, progress and complaints to standard error.
/// Always UTF-8; our own decoration is ASCII.
final class Terminal {

    private final PrintStream out;
    private final PrintStream err;
    private final boolean outIsTerminal;
    private final boolean errIsTerminal;
    private final boolean colors;

    Terminal(
            PrintStream out,
            PrintStream err,
            boolean outIsTerminal,
            boolean errIsTerminal,
            boolean colors) {
        this.out = out;
        this.err = err;
        this.outIsTerminal = outIsTerminal;
        this.errIsTerminal = errIsTerminal;
        this.colors = colors;
    }

    /// The process's own streams. The script that starts us knows which of them are terminals; the
    /// JDK can only say it of both together.
    static Terminal ofProcess(Map<String, String> environment) {
        boolean both = System.console() != null && System.console().isTerminal();
        boolean plain =
                environment.containsKey("NO_COLOR")
                        || environment.getOrDefault("TERM", "dumb").equals("dumb");
        boolean outIsTerminal = flag("tokenlog.out-is-terminal", both);
        return new Terminal(
                utf8(FileDescriptor.out),
                utf8(FileDescriptor.err),
                outIsTerminal,
                flag("tokenlog.err-is-terminal", both)
                        && !environment.getOrDefault("TERM", "dumb").equals("dumb"),
                outIsTerminal && !plain);
    }

    private static boolean flag(String property, boolean otherwise) {
        String value = System.getProperty(property);
        return value == null ? otherwise : Boolean.parseBoolean(value);
    }

    private static PrintStream utf8(FileDescriptor descriptor) {
        return new PrintStream(
                new BufferedOutputStream(new FileOutputStream(descriptor), 8192),
                false,
                StandardCharsets.UTF_8);
    }

    void line(String text) {
        out.print(text);
        out.print('\n');
        out.flush();
    }

    /// Text as it streams in. A terminal gets no control characters from a model.
    void text(String text) {
        out.print(outIsTerminal ? printable(text) : text);
        out.flush();
    }

    void err(String text) {
        err.print(text);
        err.print('\n');
        err.flush();
    }

    /// Without an end of line, for a progress line that is written over.
    void errRaw(String text) {
        err.print(text);
        err.flush();
    }

    /// The same, with everything on standard error: where standard output is for one JSON document.
    Terminal onErr() {
        return new Terminal(err, err, errIsTerminal, errIsTerminal, colors && errIsTerminal);
    }

    PrintStream out() {
        return out;
    }

    PrintStream errStream() {
        return err;
    }

    boolean outIsTerminal() {
        return outIsTerminal;
    }

    /// Whether a progress line may be drawn over.
    boolean errIsTerminal() {
        return errIsTerminal;
    }

    CommandLine.Help.Ansi ansi() {
        return colors ? CommandLine.Help.Ansi.ON : CommandLine.Help.Ansi.OFF;
    }

    String bold(String text) {
        return colors ? "\u001b[1m" + text + "\u001b[0m" : text;
    }

    String dim(String text) {
        return colors ? "\u001b[2m" + text + "\u001b[0m" : text;
    }

    String green(String text) {
        return colors ? "\u001b[32m" + text + "\u001b[0m" : text;
    }

    String red(String text) {
        return colors ? "\u001b[31m" + text + "\u001b[0m" : text;
    }

    static String printable(String text) {
        StringBuilder clean = new StringBuilder(text.length());
        text.codePoints()
                .filter(c -> c == '\n' || c == '\t' || !Character.isISOControl(c))
                .forEach(clean::appendCodePoint);
        return clean.toString();
    }

    /// What an error says, which may come from the log and so from anybody: no control characters.
    static String oneLine(String text) {
        return printable(String.valueOf(text).strip().replaceAll("\\s*\\R\\s*", "; "));
    }
}
