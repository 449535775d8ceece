package dev.tokenlog.chaos;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/// A process of the platform, and what it says in its log.
final class Child {

    private static final long LOOK_MILLIS = 20;

    private final String name;
    private final Process process;
    private final Path log;

    private Child(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
    }

    static Child start(String name, List<String> command, Path log) {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .redirectInput(ProcessBuilder.Redirect.PIPE)
                            // Where a crash leaves its report.
                            .directory(log.getParent().toFile())
                            .start();
            return new Child(name, process, log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String name() {
        return name;
    }

    Path log() {
        return log;
    }

    long pid() {
        return process.pid();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    int exitValue() {
        return process.exitValue();
    }

    /// By name, for instance `KILL`.
    void signal(String signal) {
        Signals.send(process.pid(), signal);
    }

    /// kill -9.
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// @return whether it came within this time; else it was killed
    boolean stop(long millis) throws InterruptedException {
        process.destroy();
        if (process.waitFor(millis, TimeUnit.MILLISECONDS)) {
            return true;
        }
        kill();
        return false;
    }

    boolean awaitEnd(long millis) throws InterruptedException {
        return process.waitFor(millis, TimeUnit.MILLISECONDS);
    }

    /// Whether SIGSTOP holds it.
    boolean isStopped() {
        return Signals.isStopped(process.pid());
    }

    boolean hasSaid(String text) {
        return said().contains(text);
    }

    String said() {
        try {
            return new String(Files.readAllBytes(log), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Whether the condition held within this time, while it lived.
    boolean await(BooleanSupplier condition, long millis) throws InterruptedException {
        long until = System.nanoTime() + millis * 1_000_000;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > until || !isAlive()) {
                return condition.getAsBoolean();
            }
            Thread.sleep(LOOK_MILLIS);
        }
        return true;
    }
}
