package dev.tokenlog.inference.model;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;

/// What engines tell the protocol thread, collected over a step: one waking for all generations
/// rather than one for each token. Keeps the order. From any thread.
final class Outbox {

    private final Executor protocol;
    private List<Runnable> tasks = new ArrayList<>();

    Outbox(Executor protocol) {
        this.protocol = protocol;
    }

    synchronized void add(Runnable task) {
        tasks.add(task);
    }

    /// Within the lock: two threads that flush must not overtake each other.
    synchronized void flush() {
        if (!tasks.isEmpty()) {
            List<Runnable> all = tasks;
            tasks = new ArrayList<>();
            protocol.execute(() -> all.forEach(Runnable::run));
        }
    }

    /// The same, and then this, if there was anything to tell.
    synchronized void flush(Runnable last) {
        if (!tasks.isEmpty()) {
            tasks.add(last);
            flush();
        }
    }
}
