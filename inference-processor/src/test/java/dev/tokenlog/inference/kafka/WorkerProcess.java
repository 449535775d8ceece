package dev.tokenlog.inference.kafka;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The processor as a process of its own.
final class WorkerProcess implements AutoCloseable {

    private static final Path RUNNER = Path.of("target", "quarkus-app", "quarkus-run.jar");

    private final Process process;
    private final Path log;

    private WorkerProcess(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    static WorkerProcess start(String servers, String prefix, Path data, String name) {
        Path log = data.resolve(name + ".log");
        try {
            Process process =
                    new ProcessBuilder(
                                    List.of(
                                            ProcessHandle.current().info().command().orElseThrow(),
                                            "-Xmx400m",
                                            "--add-modules=jdk.incubator.vector",
                                            "--enable-native-access=ALL-UNNAMED",
                                            "-Dkafka.bootstrap.servers=" + servers,
                                            "-Dtokenlog.topic-prefix=" + prefix,
                                            "-Dtokenlog.data=" + data,
                                            "-Dtokenlog.inference.threads=1",
                                            "-Dtokenlog.inference.models.pinned=demo",
                                            "-jar",
                                            RUNNER.toString()))
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .start();
            return new WorkerProcess(process, log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// SIGKILL.
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /// SIGTERM.
    ///
    /// @return how long it took to end
    Duration end() throws InterruptedException {
        long began = System.nanoTime();
        process.destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("did not end within 30 s of SIGTERM\n" + log());
        }
        return Duration.ofNanos(System.nanoTime() - began);
    }

    String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws InterruptedException {
        kill();
    }
}
