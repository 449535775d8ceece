package dev.tokenlog.chaos;

import dev.tokenlog.chaos.Platform.Processor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/// How long a stream pauses when its generation goes from one worker to the next, as its reader
/// sees it: from the last tokens of the one to the first of the other.
final class HandOvers {

    private static final long PARTITIONS_MILLIS = 60_000;
    private static final long STOP_MILLIS = 60_000;
    private static final long CALM_MILLIS = 1_500;
    private static final int IN_FLIGHT = 12;
    private static final int MAX_TOKENS = 400;
    private static final long FEED_MILLIS = 20;

    private final Platform platform;
    private final RunLog log;

    HandOvers(Platform platform, RunLog log) {
        this.platform = platform;
        this.log = log;
    }

    /// One worker after the other leaves, and another comes in its place.
    ///
    /// @param workers that have partitions; replaced by those that came
    /// @param kill by kill -9 in place of SIGTERM
    Quantiles measure(List<Child> workers, Load load, int count, boolean kill)
            throws InterruptedException {
        AtomicBoolean feeding = new AtomicBoolean(true);
        Thread feeder = Thread.ofVirtual().start(() -> feed(load, feeding));
        for (int i = 0; i < count; i++) {
            Thread.sleep(CALM_MILLIS);
            Child leaving = workers.removeFirst();
            if (kill) {
                leaving.kill();
                log.killed("worker");
                log.event("%s killed, measured", leaving.name());
            } else if (leaving.stop(STOP_MILLIS)) {
                log.event("%s left, measured", leaving.name());
            } else {
                log.violation(new Violation("end", leaving.name(), "did not end by SIGTERM"));
            }
            Child coming = platform.start(Processor.INFERENCE, List.of());
            workers.add(coming);
            coming.await(() -> WorkerPlace.hasPartitions(coming), PARTITIONS_MILLIS);
        }
        feeding.set(false);
        feeder.join();
        while (load.inFlight() > 0) {
            Thread.sleep(FEED_MILLIS);
        }
        List<Long> pauses = new ArrayList<>();
        load.readings()
                .values()
                .forEach(reading ->
                        reading.gaps().forEach(gap -> pauses.add(gap.nanos() / 1_000_000)));
        return Quantiles.of(pauses);
    }

    private static void feed(Load load, AtomicBoolean feeding) {
        try {
            while (feeding.get()) {
                if (load.inFlight() < IN_FLIGHT) {
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
