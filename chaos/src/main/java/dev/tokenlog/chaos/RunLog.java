package dev.tokenlog.chaos;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

/// What has happened so far: for the report, and as it happens for whoever watches. Thread-safe.
final class RunLog {

    private final PrintStream watcher;
    private final long begin = System.nanoTime();
    private final Map<String, Integer> kills = new TreeMap<>();
    private final Map<String, Integer> halts = new TreeMap<>();
    private final List<Violation> violations = new ArrayList<>();
    private final AtomicInteger killed = new AtomicInteger();

    /// @param watcher one line per fault; null: nobody watches
    RunLog(PrintStream watcher) {
        this.watcher = watcher;
    }

    synchronized void event(String format, Object... arguments) {
        if (watcher != null) {
            watcher.printf("%7.1f s  %s%n", seconds(), format.formatted(arguments));
        }
    }

    double seconds() {
        return (System.nanoTime() - begin) / 1e9;
    }

    synchronized void killed(String what) {
        kills.merge(what, 1, Integer::sum);
        killed.incrementAndGet();
    }

    synchronized void halted(String point) {
        halts.merge(point, 1, Integer::sum);
    }

    synchronized void violation(Violation violation) {
        violations.add(violation);
        event("VIOLATION %s", violation);
    }

    int killed() {
        return killed.get();
    }

    synchronized Map<String, Integer> kills() {
        return new TreeMap<>(kills);
    }

    synchronized Map<String, Integer> halts() {
        return new TreeMap<>(halts);
    }

    synchronized List<Violation> violations() {
        return List.copyOf(violations);
    }
}
