package dev.tokenlog.integration;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// One inference processor as a process of its own, so that it can be killed.
final class Worker implements AutoCloseable {

    private static final Pattern STARTED = Pattern.compile(" worker=(\\S+) numerics=");

    private final Process process;
    private final Path log;

    private Worker(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    static Worker start(String bootstrap, Path data, String... properties) {
        Path runner =
                Checkout.root().resolve("inference-processor/target/quarkus-app/quarkus-run.jar");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "--add-modules=jdk.incubator.vector",
                                "--enable-native-access=ALL-UNNAMED",
                                "-Dkafka.bootstrap.servers=" + bootstrap,
                                "-Dtokenlog.data=" + data,
                                "-Dtokenlog.artifacts=" + data.resolve("artifacts"),
                                "-Dquarkus.http.port=0"));
        command.addAll(List.of(properties));
        command.addAll(List.of("-jar", runner.toString()));
        try {
            Path log = CommandLine.logFile("worker");
            return new Worker(CommandLine.start(Checkout.root(), Map.of(), command, log, log), log);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /// As its claims say it.
    String id() {
        Matcher started = STARTED.matcher(log());
        if (!started.find()) {
            throw new AssertionError("the worker has not started\n" + log());
        }
        return started.group(1);
    }

    String log() {
        return CommandLine.read(log);
    }

    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("the worker did not end within 10 s of SIGTERM\n" + log());
        }
    }
}
