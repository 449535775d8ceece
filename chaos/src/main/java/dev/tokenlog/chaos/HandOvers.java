package dev.tokenlog.chaos;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/// How long a stream pauses when its generation goes from one worker to the next, as its reader
/// sees it: from the last tokens of the one to the first of the other. Who goes is somebody who has
/// just begun to answer.
final class HandOvers {

    private static final long PARTITIONS_MILLIS = 60_000;
    private static final long STOP_MILLIS = 60_000;
    private static final long CALM_MILLIS = 1_500;
    private static final long SESSION_MILLIS = 8_000;
    private static final int MAX_TOKENS = 400;
    private static final long FEED_MILLIS = 20;
    private static final long LOOK_MILLIS = 5;
    private static final int LOOKS = 400;

    private final RunLog log;
    private final int streams;

    /// @param streams generations in flight; where they leave the processors no rest, it is their
    ///   waiting for a processor that is measured
    HandOvers(RunLog log, int streams) {
        this.log = log;
        this.streams = streams;
    }

    /// Pauses by what caused them.
    ///
    /// @param gone a worker went
    /// @param came one came in its place, and got partitions from others
    record Pauses(Quantiles gone, Quantiles came) {

        static final Pauses NONE = new Pauses(Quantiles.of(List.of()), Quantiles.of(List.of()));
    }

    /// One worker after the other goes, and another comes in its place.
    ///
    /// @param workers that have partitions; replaced by those that came
    /// @param start another one
    /// @param kill by kill -9 in place of SIGTERM
    Pauses measure(List<Child> workers, Supplier<Child> start, Load load, int count, boolean kill)
            throws InterruptedException {
        TreeMap<Long, Boolean> causes = new TreeMap<>();
        for (Child worker : workers) {
            worker.await(() -> worker.hasSaid("model loaded"), PARTITIONS_MILLIS);
        }
        AtomicBoolean feeding = new AtomicBoolean(true);
        Thread feeder = Thread.ofVirtual().start(() -> feed(load, feeding));
        try {
            moves(workers, start, load, count, kill, causes);
        } finally {
            feeding.set(false);
            feeder.join();
        }
        load.awaitEnds();
        List<Long> gone = new ArrayList<>();
        List<Long> came = new ArrayList<>();
        for (Reading reading : load.readings().values()) {
            for (Reading.Gap gap : reading.gaps()) {
                Map.Entry<Long, Boolean> cause = causes.floorEntry(gap.at() - gap.nanos() / 2);
                (cause != null && cause.getValue() ? came : gone).add(gap.nanos() / 1_000_000);
            }
        }
        return new Pauses(Quantiles.of(gone), Quantiles.of(came));
    }

    /// @param causes when somebody went (false) or came (true)
    private void moves(
            List<Child> workers,
            Supplier<Child> start,
            Load load,
            int count,
            boolean kill,
            Map<Long, Boolean> causes)
            throws InterruptedException {
        for (int i = 0; i < count; i++) {
            Thread.sleep(CALM_MILLIS);
            Child leaving = busy(workers, load);
            workers.remove(leaving);
            causes.put(System.nanoTime(), false);
            if (kill) {
                leaving.kill();
                log.killed("worker");
                log.event("%s killed, measured", leaving.name());
            } else if (leaving.stop(STOP_MILLIS)) {
                log.event("%s left, measured", leaving.name());
            } else {
                log.violation(new Violation("end", leaving.name(), "did not end by SIGTERM"));
            }
            // Whoever waits for a session to run out does so for this long.
            Thread.sleep(kill ? SESSION_MILLIS : CALM_MILLIS);
            causes.put(System.nanoTime(), true);
            Child coming = start.get();
            workers.add(coming);
            if (!coming.await(() -> WorkerPlace.hasPartitions(coming), PARTITIONS_MILLIS)) {
                throw new IllegalStateException(
                        "%s %s; its log is %s"
                                .formatted(
                                        coming.name(),
                                        coming.isAlive() ? "got no partitions" : "ended by itself",
                                        coming.log()));
            }
        }
    }

    /// One that has just begun a generation, so that there is a stream to pause; if none does, the
    /// one that has been there longest.
    private static Child busy(List<Child> workers, Load load) throws InterruptedException {
        for (int i = 0; i < LOOKS; i++) {
            for (Child worker : workers) {
                String said = worker.said();
                if (load.readings().values().stream()
                        .anyMatch(reading -> reading.isBeginningAt(said::contains))) {
                    return worker;
                }
            }
            Thread.sleep(LOOK_MILLIS);
        }
        return workers.getFirst();
    }

    private void feed(Load load, AtomicBoolean feeding) {
        try {
            while (feeding.get()) {
                if (load.inFlight() < streams) {
                    load.send(MAX_TOKENS);
                } else {
                    Thread.sleep(FEED_MILLIS);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
