package dev.tokenlog.integration;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Any processor as a process of its own, with its health page.
final class Processor implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern LISTENING = Pattern.compile("Listening on: http://[^:]+:([0-9]+)");

    private final String module;
    private final Process process;
    private final Path log;

    private Processor(String module, Process process, Path log) {
        this.module = module;
        this.process = process;
        this.log = log;
    }

    /// @param module for instance `registry-processor`
    /// @param options of the JVM
    static Processor start(
            String module, Path data, Map<String, String> environment, String... options) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-XX:+UseSerialGC",
                                "--add-modules=jdk.incubator.vector",
                                "--enable-native-access=ALL-UNNAMED",
                                "-Dtokenlog.data=" + data,
                                "-Dtokenlog.artifacts=" + data.resolve("artifacts"),
                                "-Dquarkus.http.host=127.0.0.1",
                                "-Dquarkus.http.port=0"));
        command.addAll(List.of(options));
        command.addAll(
                List.of(
                        "-jar",
                        Checkout.root()
                                .resolve(module + "/target/quarkus-app/quarkus-run.jar")
                                .toString()));
        try {
            Path log = CommandLine.logFile(module);
            return new Processor(
                    module,
                    CommandLine.start(Checkout.root(), environment, command, log, log),
                    log);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    /// What the checks of its health page say together: whether it is ready, and all their texts.
    record Health(boolean ready, String text) {}

    Health health() {
        Matcher port = LISTENING.matcher(log());
        if (!port.find()) {
            return new Health(false, "does not listen yet");
        }
        URI page = URI.create("http://127.0.0.1:%s/q/health/ready".formatted(port.group(1)));
        try (HttpClient http =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            HttpResponse<String> answer =
                    http.send(
                            HttpRequest.newBuilder(page).timeout(Duration.ofSeconds(20)).build(),
                            HttpResponse.BodyHandlers.ofString());
            JsonNode health = JSON.readTree(answer.body());
            return new Health("UP".equals(health.path("status").asText()), health.toString());
        } catch (IOException e) {
            return new Health(false, e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    Processor awaitReady() {
        await(module + " is ready")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(200))
                .until(() -> !process.isAlive() || health().ready());
        if (!process.isAlive()) {
            throw new AssertionError(module + " ended:\n" + log());
        }
        return this;
    }

    /// Its exit status, if it ends by itself.
    Optional<Integer> end(Duration limit) throws InterruptedException {
        return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)
                ? Optional.of(process.exitValue())
                : Optional.empty();
    }

    String log() {
        return CommandLine.read(log);
    }

    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError(module + " did not end within 10 s of SIGTERM\n" + log());
        }
    }
}
