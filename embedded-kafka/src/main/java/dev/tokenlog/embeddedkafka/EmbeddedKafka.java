package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/// A real Kafka broker (KRaft, one node) as a child process on the loopback interface. It keeps its
/// data over restarts, kill -9 included, logs to `broker.log` in its data folder, and never
/// outlives the process that started it.
public final class EmbeddedKafka implements AutoCloseable {

    /// A clean end takes well under a second; one that takes this long is ended by force.
    private static final Duration CLEAN_END = Duration.ofSeconds(8);

    private final EmbeddedKafkaOptions options;
    private final DataFolder folder;
    private final int port;
    private Process process;

    private EmbeddedKafka(EmbeddedKafkaOptions options, DataFolder folder, int port) {
        this.options = options;
        this.folder = folder;
        this.port = port;
    }

    /// Starts a broker and returns when it takes requests (about 2 s).
    ///
    /// @throws EmbeddedKafkaException if it does not start; the message is meant for a person
    public static EmbeddedKafka start(EmbeddedKafkaOptions options) {
        DataFolder folder = new DataFolder(options.dataDir());
        folder.prepare();
        int[] ports = FreePorts.pick(options.port());
        EmbeddedKafka kafka = new EmbeddedKafka(options, folder, ports[0]);
        kafka.launch(ports[1]);
        return kafka;
    }

    public String bootstrapServers() {
        return BrokerSettings.HOST + ":" + port;
    }

    public int port() {
        return port;
    }

    public synchronized long processId() {
        return process.pid();
    }

    /// Done with the exit status when the present process has ended, by whatever cause.
    public synchronized CompletableFuture<Integer> onExit() {
        return process.onExit().thenApply(Process::exitValue);
    }

    /// kill -9: what a power cut does to the process, not to the disk.
    public synchronized void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /// Starts again on the same port and data, after [#kill()], [#close()], or in the middle of
    /// work.
    public synchronized void restart() {
        close();
        launch(FreePorts.pick(port)[1]);
    }

    /// Ends the broker cleanly and waits for it. Does nothing if it has ended.
    @Override
    public void close() {
        close(CLEAN_END);
    }

    /// As [#close()], by force after this time; at once if there is none left.
    public synchronized void close(Duration limit) {
        if (process == null || !process.isAlive()) {
            return;
        }
        try {
            process.getOutputStream().close();
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                kill();
            }
        } catch (IOException e) {
            kill();
        } catch (InterruptedException e) {
            kill();
            Thread.currentThread().interrupt();
        }
    }

    private void launch(int freePort) {
        int controllerPort = options.member().map(ClusterMember::controllerPort).orElse(freePort);
        // Before touching a running broker's files. The child takes the lock again, for good.
        DataFolder.release(folder.lock());
        writeSettings(controllerPort);
        rotateLog();
        try {
            process =
                    new ProcessBuilder(command())
                            .redirectError(
                                    ProcessBuilder.Redirect.appendTo(folder.brokerLog().toFile()))
                            .start();
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "the broker's process could not be started: " + e.getMessage(),
                    e);
        }
        String answer = awaitAnswer();
        if (!answer.equals(BrokerProcess.READY)) {
            kill();
            throw failure(answer);
        }
    }

    private List<String> command() {
        List<Path> classPath =
                options.classPath().isEmpty() ? BrokerClassPath.find() : options.classPath();
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx" + options.maxHeapMegabytes() + "m");
        command.add("-Xms32m");
        command.add("-XX:+UseSerialGC");
        command.add("-XX:+ExitOnOutOfMemoryError");
        if (options.member().isPresent()) {
            // Members are killed and started all the time: the second compiler would not pay.
            command.add("-XX:TieredStopAtLevel=1");
        }
        command.add("-Djava.awt.headless=true");
        command.add("-Dorg.slf4j.simpleLogger.showDateTime=true");
        command.add("-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS");
        if (classPath.stream().anyMatch(jar -> jar.toString().contains("jboss-logmanager-"))) {
            // In a Quarkus application SLF4J speaks to this one, and it must be named before use.
            command.add("-Djava.util.logging.manager=org.jboss.logmanager.LogManager");
        }
        command.add("-cp");
        command.add(
                classPath.stream()
                        .map(Path::toString)
                        .collect(Collectors.joining(File.pathSeparator)));
        command.add(BrokerProcess.class.getName());
        command.add(folder.root().toString());
        return command;
    }

    private void writeSettings(int controllerPort) {
        Properties settings = BrokerSettings.of(folder.logDir(), port, controllerPort, options);
        try (Writer writer = DataFolder.ownersFile(folder.serverProperties())) {
            settings.store(writer, "written at every start of the embedded broker");
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.FOLDER_NOT_WRITABLE,
                    "%s cannot be written (%s)"
                            .formatted(folder.serverProperties(), DataFolder.describe(e)),
                    e);
        }
    }

    private void rotateLog() {
        Path log = folder.brokerLog();
        try {
            if (Files.exists(log)) {
                Files.move(
                        log,
                        log.resolveSibling("broker.log.1"),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.FOLDER_NOT_WRITABLE,
                    "%s cannot be renamed (%s)".formatted(log, DataFolder.describe(e)),
                    e);
        }
    }

    /// The child's one line, or an empty one if it ended without a word.
    private String awaitAnswer() {
        BufferedReader reader = process.inputReader();
        CompletableFuture<String> line =
                CompletableFuture.supplyAsync(
                        () -> {
                            try {
                                String text = reader.readLine();
                                return text == null ? "" : text;
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        },
                        task -> Thread.ofVirtual().name("broker-answer").start(task));
        try {
            return line.get(options.startTimeout().toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return "no answer within %d s".formatted(options.startTimeout().toSeconds());
        } catch (InterruptedException e) {
            kill();
            Thread.currentThread().interrupt();
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED, "interrupted while the broker was starting", e);
        } catch (ExecutionException | CompletionException e) {
            return "no answer: " + e.getCause();
        }
    }

    private EmbeddedKafkaException failure(String answer) {
        String[] parts = answer.split(" ", 3);
        if (parts.length == 3 && parts[0].equals(BrokerProcess.FAILED)) {
            Reason reason = Reason.valueOf(parts[1]);
            String where =
                    reason == Reason.START_FAILED ? "; its log is " + folder.brokerLog() : "";
            return new EmbeddedKafkaException(reason, parts[2] + where);
        }
        return new EmbeddedKafkaException(
                Reason.START_FAILED,
                "the broker did not start%s; its log is %s"
                        .formatted(
                                answer.isEmpty() ? "" : " (" + answer + ")", folder.brokerLog()));
    }
}
