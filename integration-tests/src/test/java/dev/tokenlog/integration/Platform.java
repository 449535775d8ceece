package dev.tokenlog.integration;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// `./tokenlog up` as a child process.
final class Platform implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Process process;
    private final Path out;
    private final Path err;
    private final String bootstrap;
    private final Map<String, String> environment;

    private Platform(
            Process process,
            Path out,
            Path err,
            String bootstrap,
            Map<String, String> environment) {
        this.process = process;
        this.out = out;
        this.err = err;
        this.bootstrap = bootstrap;
        this.environment = environment;
    }

    /// Starts the platform on this data folder, on free ports, and waits until it is ready.
    static Platform start(Path data, String... more) {
        return start(data, Map.of(), more);
    }

    /// @param variables of the platform and of the commands that are run against it
    static Platform start(Path data, Map<String, String> variables, String... more) {
        try {
            Map<String, String> environment = new HashMap<>(CommandLine.environment(data));
            environment.putAll(variables);
            Path out = CommandLine.logFile("up-out");
            Path err = CommandLine.logFile("up-err");
            List<String> command =
                    new ArrayList<>(
                            List.of("./tokenlog", "up", "--json", "--data", data.toString()));
            command.addAll(List.of("--port", "0", "--http-port", "0"));
            command.addAll(List.of(more));
            Process process = CommandLine.start(Checkout.root(), environment, command, out, err);
            await("the platform is ready")
                    .atMost(Duration.ofSeconds(90))
                    .pollInterval(Duration.ofMillis(100))
                    .until(() -> !process.isAlive() || bootstrapIn(out).isPresent());
            String bootstrap =
                    bootstrapIn(out)
                            .orElseThrow(() ->
                                    new AssertionError(
                                            "up ended with "
                                                    + process.exitValue()
                                                    + ":\n"
                                                    + CommandLine.read(err)));
            return new Platform(process, out, err, bootstrap, environment);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    private static Optional<String> bootstrapIn(Path out) throws IOException {
        for (String line : Files.readAllLines(out)) {
            if (line.startsWith("{")) {
                JsonNode ready = JSON.readTree(line);
                if (ready.hasNonNull("bootstrap")) {
                    return Optional.of(ready.get("bootstrap").asText());
                }
            }
        }
        return Optional.empty();
    }

    String bootstrap() {
        return bootstrap;
    }

    /// `./tokenlog` against this platform.
    CommandLine.Result tokenlog(String... arguments) {
        List<String> all = new ArrayList<>(List.of("./tokenlog"));
        all.addAll(List.of(arguments));
        all.add("--bootstrap");
        all.add(bootstrap);
        return CommandLine.run(Checkout.root(), environment, Duration.ofMinutes(3), all);
    }

    Process process() {
        return process;
    }

    String log() {
        return CommandLine.read(out) + CommandLine.read(err);
    }

    /// SIGTERM, and the exit status.
    int stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            throw new AssertionError("up did not end within 10 s of SIGTERM\n" + log());
        }
        return process.exitValue();
    }

    /// kill −9 of the platform and, as after a power cut, of everything it started.
    void kill() throws InterruptedException {
        List<ProcessHandle> children = process.descendants().toList();
        process.destroyForcibly().waitFor();
        children.forEach(ProcessHandle::destroyForcibly);
        await("its children are gone")
                .atMost(Duration.ofSeconds(10))
                .until(() -> children.stream().noneMatch(ProcessHandle::isAlive));
    }

    @Override
    public void close() throws InterruptedException {
        if (process.isAlive()) {
            stop();
        }
    }
}
