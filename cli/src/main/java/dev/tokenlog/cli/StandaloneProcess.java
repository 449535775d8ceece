package dev.tokenlog.cli;

import dev.tokenlog.client.LocalPlatform;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// The standalone platform as a child process. It ends when this process ends, however that comes
/// about: its standard input is the life line.
final class StandaloneProcess implements AutoCloseable {

    /// The platform promises 10 s; whoever waits for longer is not waiting for it.
    private static final String OWN_WORD = "tokenlog: ";

    private static final long CLEAN_END_SECONDS = 12;

    /// JVM chatter that no user of ours needs to see.
    private static final String INCUBATOR = "WARNING: Using incubator modules";

    private final Process process;
    private final Path data;
    private final List<String> complaints = new ArrayList<>();
    private final Thread errors;
    private volatile boolean ready;

    private StandaloneProcess(Process process, Path data, Terminal forward) {
        this.process = process;
        this.data = data;
        this.errors = Thread.ofVirtual().name("platform-errors").start(() -> readErrors(forward));
    }

    /// @param forward gets what the platform says on standard error; null keeps it for a failure
    static StandaloneProcess start(
            Path data, List<String> arguments, List<String> properties, Terminal forward) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx1g");
        command.add("-XX:+UseSerialGC");
        command.add("--add-modules=jdk.incubator.vector");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        command.addAll(properties);
        command.add("-jar");
        command.add(Installation.standaloneRunner().toString());
        command.add("--end-with-input");
        command.add("--data");
        command.add(data.toString());
        command.addAll(arguments);
        try {
            Process process = new ProcessBuilder(command).start();
            StandaloneProcess platform = new StandaloneProcess(process, data, forward);
            Runtime.getRuntime().addShutdownHook(new Thread(platform::close, "platform-end"));
            return platform;
        } catch (IOException e) {
            throw new CommandFailure(
                    ExitStatus.ENVIRONMENT,
                    "the platform's process could not be started: " + e.getMessage(),
                    e);
        }
    }

    /// Waits until the platform is ready.
    ///
    /// @throws CommandFailure with what the platform said, if it ended instead
    LocalPlatform awaitReady() {
        try {
            BufferedReader out = process.inputReader();
            String line = out.readLine();
            while (line != null && !line.startsWith("ready:")) {
                line = out.readLine();
            }
            Optional<LocalPlatform> platform =
                    line == null ? Optional.empty() : LocalPlatform.running(data);
            if (platform.isEmpty()) {
                throw failure(process.waitFor());
            }
            ready = true;
            return platform.get();
        } catch (IOException e) {
            throw new CommandFailure(ExitStatus.ENVIRONMENT, e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure(ExitStatus.INTERRUPTED, "interrupted", e);
        }
    }

    private CommandFailure failure(int status) throws InterruptedException {
        errors.join();
        String said;
        synchronized (complaints) {
            said =
                    reason(complaints)
                            .orElseGet(() ->
                                    "the platform ended with status %d; its log is %s"
                                            .formatted(status, data.resolve("tokenlog.log")));
        }
        return new CommandFailure(status == 0 ? ExitStatus.NO : status, said);
    }

    /// Its own last word, which what it closes afterwards may have drowned in warnings; else the
    /// last line.
    static Optional<String> reason(List<String> complaints) {
        return complaints.reversed().stream()
                .filter(line -> line.startsWith(OWN_WORD))
                .findFirst()
                .or(() ->
                        complaints.isEmpty() ? Optional.empty() : Optional.of(complaints.getLast()))
                .map(line -> line.startsWith(OWN_WORD) ? line.substring(OWN_WORD.length()) : line);
    }

    /// @return the exit status of the platform
    int waitFor() {
        try {
            int status = process.waitFor();
            errors.join();
            return status;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return ExitStatus.INTERRUPTED;
        }
    }

    private void readErrors(Terminal forward) {
        try (BufferedReader err = process.errorReader()) {
            for (String line = err.readLine(); line != null; line = err.readLine()) {
                if (line.startsWith(INCUBATOR)) {
                    continue;
                }
                synchronized (complaints) {
                    complaints.add(line);
                    if (complaints.size() > 100) {
                        complaints.removeFirst();
                    }
                }
                // Why it did not start is said by whoever waits for it to be ready.
                if (forward != null && (ready || !line.startsWith(OWN_WORD))) {
                    forward.err(line);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Ends the platform cleanly and waits for it.
    @Override
    public void close() {
        if (!process.isAlive()) {
            return;
        }
        try {
            process.getOutputStream().close();
            if (!process.waitFor(CLEAN_END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            process.destroy();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
