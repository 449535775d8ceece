package dev.tokenlog.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/// Runs a command in this JVM as the script would start it, without terminals.
record CommandRun(int status, String out, String err) {

    static CommandRun of(Map<String, String> environment, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Terminal terminal =
                new Terminal(
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8),
                        false,
                        false,
                        false);
        int status = TokenlogCommand.commandLine(terminal, environment).execute(arguments);
        return new CommandRun(
                status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    static CommandRun of(String... arguments) {
        return of(Map.of(), arguments);
    }

    /// The bundled model, in the checkout that is built.
    static String demoModel() {
        return Path.of(System.getProperty("tokenlog.root"), "demo-model", "model").toString();
    }
}
