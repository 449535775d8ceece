package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/// Main class of the child process that [EmbeddedKafka] starts: one argument, the data folder with
/// its `server.properties`. It says `READY` or `FAILED reason message` on standard output, and ends
/// cleanly when its standard input closes, whatever became of its parent.
public final class BrokerProcess {

    static final String READY = "READY";
    static final String FAILED = "FAILED";

    private BrokerProcess() {}

    public static void main(String[] arguments) throws IOException {
        ignoreTerminal();
        DataFolder folder = new DataFolder(Path.of(arguments[0]));
        PrintStream parent = System.out;
        // Before anything logs: whichever logging library is on the class path writes to the file.
        PrintStream log =
                new PrintStream(
                        new BufferedOutputStream(
                                new FileOutputStream(folder.brokerLog().toFile(), true)),
                        true,
                        StandardCharsets.UTF_8);
        System.setOut(log);
        System.setErr(log);

        LifeLine parentsLife = LifeLine.watch(System.in);
        BrokerServer server;
        try {
            server = BrokerServer.start(folder, settings(folder));
        } catch (EmbeddedKafkaException e) {
            e.printStackTrace(log);
            fail(parent, e.reason(), e.getMessage());
            return;
        }
        Runnable stop = once(server::close);
        Runtime.getRuntime().addShutdownHook(new Thread(stop, "broker-shutdown"));
        parentsLife.serving();
        parent.println(READY);
        parent.flush();
        parentsLife.awaitEnd();
        stop.run();
        Runtime.getRuntime().halt(0);
    }

    /// Ctrl-C and a closed terminal reach every process in the foreground. The parent decides when
    /// its broker ends: after the processors have written their last events.
    private static void ignoreTerminal() {
        Signal.handle(new Signal("INT"), SignalHandler.SIG_IGN);
        if (!System.getProperty("os.name").startsWith("Windows")) {
            Signal.handle(new Signal("HUP"), SignalHandler.SIG_IGN);
        }
    }

    private static Properties settings(DataFolder folder) throws IOException {
        Properties settings = new Properties();
        try (Reader reader = Files.newBufferedReader(folder.serverProperties())) {
            settings.load(reader);
        }
        return settings;
    }

    private static void fail(PrintStream parent, Reason reason, String message) {
        parent.println(FAILED + " " + reason + " " + message.lines().findFirst().orElse(""));
        parent.flush();
        // Half-started server threads are not daemons.
        Runtime.getRuntime().halt(1);
    }

    /// The main thread and the shutdown hook may both ask; the second waits for the first to be
    /// done.
    private static Runnable once(Runnable action) {
        FutureTask<Void> task = new FutureTask<>(action, null);
        return () -> {
            task.run();
            try {
                task.get();
            } catch (ExecutionException e) {
                throw new IllegalStateException("the broker did not end cleanly", e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
    }
}
