package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.artifactstore.hub.HubSettings.Patience;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/// Tries again what the network may have spoilt, with pauses that double and that no two clients
/// make alike. An attempt that brought something new does not count.
final class Retries {

    /// What has to arrive before earlier failures are forgotten.
    private static final long PROGRESS = 1 << 20;

    private static final Duration LONGEST_OWN_PAUSE = Duration.ofSeconds(30);

    /// The hub says itself when to come again.
    static final class ComeAgainException extends IOException {
        private static final long serialVersionUID = 1L;

        private final Duration pause;

        ComeAgainException(String message, Duration pause) {
            super(message);
            this.pause = pause;
        }
    }

    interface Attempt<T> {
        /// @throws IOException if another attempt may help
        T run() throws IOException;
    }

    private final Patience patience;
    private final BooleanSupplier stop;
    private final Consumer<String> note;
    private int failures;
    private long arrived;

    /// @param note told why there is a pause, and "" when it is over
    Retries(Patience patience, BooleanSupplier stop, Consumer<String> note) {
        this.patience = patience;
        this.stop = stop;
        this.note = note;
    }

    /// @param what is tried, for the error
    /// @throws EngineException `SOURCE_UNAVAILABLE` when it has been tried often enough
    <T> T run(String what, Attempt<T> attempt) {
        while (true) {
            try {
                return attempt.run();
            } catch (IOException e) {
                failures++;
                Duration pause = pause(e);
                if (failures > patience.retries() || pause.compareTo(patience.longestPause()) > 0) {
                    throw givenUp(what, e);
                }
                note.accept(
                        "%s; again in %.1f s".formatted(e.getMessage(), pause.toMillis() / 1000.0));
                sleep(pause);
                note.accept("");
            }
        }
    }

    /// This many bytes came.
    void arrived(long bytes) {
        arrived += bytes;
        if (arrived >= PROGRESS) {
            arrived = 0;
            failures = 0;
        }
    }

    private Duration pause(IOException e) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        if (e instanceof ComeAgainException said) {
            // Not before, and not all at the same moment.
            return said.pause.plus(
                    patience.firstPause().multipliedBy(random.nextInt(100)).dividedBy(100));
        }
        Duration doubled = patience.firstPause().multipliedBy(1L << Math.min(failures - 1, 20));
        Duration longest = doubled.compareTo(LONGEST_OWN_PAUSE) > 0 ? LONGEST_OWN_PAUSE : doubled;
        return longest.multipliedBy(50 + random.nextInt(51)).dividedBy(100);
    }

    private EngineException givenUp(String what, IOException e) {
        String asked =
                e instanceof ComeAgainException said
                        ? ", which asks to come again in %d s".formatted(said.pause.toSeconds())
                        : "";
        return new EngineException(
                Reason.SOURCE_UNAVAILABLE,
                "%s: %s%s; given up after %d %s. What has arrived is kept: the same request goes on with it"
                        .formatted(
                                what,
                                e.getMessage(),
                                asked,
                                failures,
                                failures == 1 ? "attempt" : "attempts"),
                e);
    }

    private void sleep(Duration pause) {
        long until = System.nanoTime() + pause.toNanos();
        while (true) {
            HubTransport.requireGoOn(stop);
            long left = (until - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return;
            }
            try {
                Thread.sleep(Math.min(left, 50));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
