package dev.tokenlog.chaos;

import dev.tokenlog.chaos.Platform.Processor;
import dev.tokenlog.chaos.Schedule.WorkerLife;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// One of the places where a worker runs. The next one is started as soon as the last has got its
/// partitions, so that it comes while that one dies, and nobody waits for a start.
final class WorkerPlace {

    // Long, since a slow machine is no violation; whatever waits goes on as soon as it can.
    private static final long PARTITIONS_MILLIS = 60_000;
    private static final long HALT_MILLIS = 120_000;
    private static final long LAST_HALT_MILLIS = 600_000;
    private static final long STOP_MILLIS = 60_000;
    private static final long CLAIM_MILLIS = 120_000;

    /// What a worker says where it is halted.
    private static final Pattern HALTED =
            Pattern.compile("reached by partition=(\\d+) prompt_offset=(\\d+) attempt=(\\d+)");

    private final int number;
    private final Platform platform;
    private final RunLog log;
    private final Network network;

    /// @param network by which its workers reach the brokers; null: directly, and nothing is cut
    WorkerPlace(int number, Platform platform, Network network, RunLog log) {
        this.network = network;
        this.number = number;
        this.platform = platform;
        this.log = log;
    }

    /// One life after the other.
    void run(List<WorkerLife> lives) throws InterruptedException {
        Child next = lives.isEmpty() ? startHealthy() : start(lives.getFirst());
        for (int i = 0; i < lives.size(); i++) {
            WorkerLife life = lives.get(i);
            Child child = next;
            if (life.end() != Schedule.End.KILLED_STARTING) {
                child.await(() -> hasPartitions(child), PARTITIONS_MILLIS);
            }
            next = i + 1 < lives.size() ? start(lives.get(i + 1)) : startHealthy();
            live(child, life);
            if (life.end().isKill()) {
                log.killed("worker");
            }
        }
    }

    /// A life of its own for a point that no other life has reached, however long it takes.
    void reach(String point) throws InterruptedException {
        WorkerLife life = Schedule.lastChance(point);
        Child child = start(life);
        if (life.end() == Schedule.End.ZOMBIE) {
            child.await(child::isStopped, LAST_HALT_MILLIS);
        } else {
            child.awaitEnd(LAST_HALT_MILLIS);
        }
        live(child, life);
        log.killed("worker");
    }

    /// One that nobody touches.
    private Child startHealthy() {
        return platform.start(
                Processor.INFERENCE, List.of("tokenlog.compute=" + Schedule.AUTOMATIC));
    }

    private Child start(WorkerLife life) {
        List<String> properties = new ArrayList<>();
        properties.add("tokenlog.compute=" + life.compute());
        properties.add("tokenlog.inference.threads=" + life.threads());
        properties.add("tokenlog.inference.clock-offset=" + life.clockOffsetSeconds() + "s");
        if (life.halt() != null) {
            properties.add("tokenlog.inference.halt=" + life.halt());
        }
        return platform.start(
                Processor.INFERENCE,
                network == null ? platform.bootstrap() : network.bootstrap(),
                properties);
    }

    private void live(Child child, WorkerLife life) throws InterruptedException {
        switch (life.end()) {
            case KILLED_STARTING, KILLED -> {
                child.awaitEnd(life.delayMillis());
                kill(child, life);
            }
            case STOPPED -> {
                child.awaitEnd(life.delayMillis());
                stop(child);
            }
            case CUT_OFF -> cutOff(child, life);
            case HALTED, CRASHED -> halted(child, life);
            case ZOMBIE -> zombie(child, life);
        }
    }

    static boolean hasPartitions(Child child) {
        return child.hasSaid(" assigned [");
    }

    private void kill(Child child, WorkerLife life) throws InterruptedException {
        if (!child.isAlive()) {
            diedByItself(child, life);
        }
        child.kill();
        log.event("place %d: %s killed (%s)", number, child.name(), life.end());
    }

    private void cutOff(Child child, WorkerLife life) throws InterruptedException {
        network.cut();
        log.event("place %d: %s cut off for %d ms", number, child.name(), life.pauseMillis());
        child.awaitEnd(life.pauseMillis());
        network.heal();
        child.awaitEnd(life.delayMillis());
        kill(child, life);
    }

    private void stop(Child child) throws InterruptedException {
        boolean inTime = child.stop(STOP_MILLIS);
        log.event("place %d: %s stopped", number, child.name());
        // One that is still starting ends when it has started, however slow the machine is.
        if (!inTime && hasPartitions(child)) {
            log.violation(
                    new Violation(
                            "end",
                            child.name(),
                            "did not end within %d s of SIGTERM".formatted(STOP_MILLIS / 1_000)));
        }
    }

    private void halted(Child child, WorkerLife life) throws InterruptedException {
        child.awaitEnd(HALT_MILLIS);
        if (hasReached(child, life)) {
            log.halted(life.point());
        }
        child.kill();
        log.event("place %d: %s ended at %s", number, child.name(), life.halt());
    }

    private void zombie(Child child, WorkerLife life) throws InterruptedException {
        child.await(child::isStopped, HALT_MILLIS);
        if (hasReached(child, life)) {
            log.event("place %d: %s stopped at %s", number, child.name(), life.halt());
            if (life.hasClaimToSend()) {
                claimWhatAnotherHolds(child, life);
            } else {
                log.halted(life.point());
                child.awaitEnd(life.pauseMillis());
                child.signal("CONT");
            }
            child.awaitEnd(life.delayMillis());
        }
        child.kill();
        log.event("place %d: %s was a zombie, killed", number, child.name());
    }

    /// Continues it when somebody else has claimed the attempt whose claim it has to send. It has
    /// been halted there only if its own claim came second.
    private void claimWhatAnotherHolds(Child child, WorkerLife life) throws InterruptedException {
        Matcher at = HALTED.matcher(child.said());
        if (!at.find()) {
            throw new IllegalStateException(child.log() + " does not say where it was halted");
        }
        try (AttemptClaims claims =
                new AttemptClaims(
                        platform.bootstrap(),
                        Integer.parseInt(at.group(1)),
                        Long.parseLong(at.group(2)),
                        Integer.parseInt(at.group(3)))) {
            boolean taken = child.await(() -> claims.count() > 0, CLAIM_MILLIS);
            child.awaitEnd(life.pauseMillis());
            child.signal("CONT");
            boolean both = taken && child.await(() -> claims.count() > 1, CLAIM_MILLIS);
            if (both) {
                log.halted(life.point());
            }
            log.event(
                    "place %d: %s went on, its attempt %s claimed by %s",
                    number,
                    child.name(),
                    at.group(3),
                    both ? "two" : taken ? "its successor alone" : "nobody");
        }
    }

    private boolean hasReached(Child child, WorkerLife life) {
        boolean reached = child.hasSaid("halt point " + life.point() + " reached");
        if (!reached && !child.isAlive()) {
            diedByItself(child, life);
        } else if (!reached) {
            // A slow machine: at the end of the run there is another chance for this point.
            log.event("place %d: %s has not come to %s", number, child.name(), life.halt());
        }
        return reached;
    }

    private void diedByItself(Child child, WorkerLife life) {
        log.violation(
                new Violation(
                        "alive",
                        child.name(),
                        "ended by itself with status %d (%s); its log is %s"
                                .formatted(child.exitValue(), life.end(), child.log())));
    }
}
