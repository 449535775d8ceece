package dev.tokenlog.standalone;

import dev.tokenlog.client.LocalPlatform;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import io.quarkus.runtime.Quarkus;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Ends what Quarkus does not know of, and only after it: the processors write their last events
/// while the broker still runs. As a shutdown hook it runs beside Quarkus's own, so it waits.
final class PlatformEnd implements Runnable {

    /// Everything is to end within 10 s, the end of this process included; the broker takes what
    /// the processors leave.
    private static final Duration ALL = Duration.ofSeconds(9);

    private static final Duration PROCESSORS = Duration.ofSeconds(7);

    private final Path data;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private volatile boolean started;
    private volatile boolean ending;
    private volatile EmbeddedKafka broker;
    private Long until;

    PlatformEnd(Path data) {
        this.data = data;
    }

    /// @param kafka whose own end, if it comes first, ends the platform
    void closeLast(EmbeddedKafka kafka) {
        broker = kafka;
        kafka.onExit()
                .thenAccept(status -> {
                    if (!ending) {
                        System.err.println(
                                "tokenlog: the broker ended with status %d; its log is %s"
                                        .formatted(status, data.resolve("kafka/broker.log")));
                        Quarkus.asyncExit(1);
                    }
                });
    }

    void processorsStarted() {
        started = true;
    }

    void processorsStopped() {
        stopped.countDown();
    }

    /// One for the signal's thread and for the one that Quarkus releases.
    private synchronized long until() {
        if (until == null) {
            until = System.nanoTime() + ALL.toNanos();
        }
        return until;
    }

    @Override
    public void run() {
        long until = until();
        try {
            if (started && !stopped.await(PROCESSORS.toMillis(), TimeUnit.MILLISECONDS)) {
                System.err.println(
                        "tokenlog: the processors did not end within %d s; unfinished work goes on at the next start"
                                .formatted(PROCESSORS.toSeconds()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        synchronized (this) {
            ending = true;
            if (broker != null) {
                broker.close(Duration.ofNanos(until - System.nanoTime()));
            }
            try {
                LocalPlatform.remove(data);
            } catch (IOException e) {
                System.err.println("tokenlog: " + e.getMessage());
            }
        }
    }
}
