package dev.tokenlog.integration;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Runs programs as a user would: a child process, its exit status and what it printed.
final class CommandLine {

    record Result(int status, String out, String err) {

        @Override
        public String toString() {
            return "exit status " + status + "\n--- out\n" + out + "\n--- err\n" + err;
        }
    }

    private CommandLine() {}

    /// `./tokenlog` with these arguments; never builds, since the build is what runs this test.
    static Result tokenlog(Path home, String... arguments) {
        return tokenlog(home, Duration.ofMinutes(3), arguments);
    }

    static Result tokenlog(Path home, Duration limit, String... arguments) {
        List<String> command = new ArrayList<>(List.of("./tokenlog"));
        command.addAll(List.of(arguments));
        return run(Checkout.root(), environment(home), limit, command);
    }

    static Map<String, String> environment(Path home) {
        return Map.of("TOKENLOG_HOME", home.toString(), "TOKENLOG_NO_BUILD", "1", "NO_COLOR", "1");
    }

    static Result run(
            Path folder, Map<String, String> environment, Duration limit, List<String> command) {
        try {
            Path out = logFile("tokenlog-out");
            Path err = logFile("tokenlog-err");
            Process process = start(folder, environment, command, out, err);
            boolean ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
            if (!ended) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly();
            }
            Result result = new Result(ended ? process.exitValue() : -1, read(out), read(err));
            Files.delete(out);
            Files.delete(err);
            if (!ended) {
                throw new AssertionError(command + " did not end within " + limit + "\n" + result);
            }
            return result;
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", interrupted);
        }
    }

    /// A new file for what a child process says. In `target`: nobody clears the machine's temporary
    /// folder, and after a failure one looks here.
    static Path logFile(String name) throws IOException {
        Path folder = Checkout.root().resolve("integration-tests/target/logs");
        return Files.createTempFile(Files.createDirectories(folder), name + "-", ".txt");
    }

    static Process start(
            Path folder, Map<String, String> environment, List<String> command, Path out, Path err)
            throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
        builder.environment().putAll(environment);
        return builder.start();
    }

    static String read(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }
}
