package dev.tokenlog.engine.generation;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// What other threads leave for the loop's thread, which never waits for them while it has work.
final class Mailbox {

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final List<Generation> submitted = new ArrayList<>();
    private boolean news;
    private boolean closed;

    /// @throws IllegalStateException after [#close]
    void submit(Generation generation) {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException("the engine is closed");
            }
            submitted.add(generation);
            tell();
        } finally {
            lock.unlock();
        }
    }

    /// Wakes the loop: a generation has been asked to stop.
    void wake() {
        lock.lock();
        try {
            tell();
        } finally {
            lock.unlock();
        }
    }

    void close() {
        lock.lock();
        try {
            closed = true;
            tell();
        } finally {
            lock.unlock();
        }
    }

    private void tell() {
        news = true;
        changed.signal();
    }

    /// Moves what was submitted to `into`.
    ///
    /// @param idle whether to wait for news first
    /// @return false once closed
    boolean collect(boolean idle, List<Generation> into) {
        lock.lock();
        try {
            while (idle && !news) {
                changed.awaitUninterruptibly();
            }
            news = false;
            into.addAll(submitted);
            submitted.clear();
            return !closed;
        } finally {
            lock.unlock();
        }
    }
}
