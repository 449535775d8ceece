package dev.tokenlog.engine.transformer;

import java.util.concurrent.atomic.AtomicLong;

/// The bytes of KV cache of several executors. Each has a budget of its own for what sequences
/// need; what is kept for texts to come has to fit beside all the others, or the caches of a few
/// models together would take what the machine has.
final class KvAccount {

    /// Of all executors of this process: pages are kept in a quarter of the memory.
    static final KvAccount PROCESS = new KvAccount(KvBudget.ofMachine());

    private final long room;
    private final AtomicLong taken = new AtomicLong();

    /// @param room bytes up to which a pool takes more rather than give up what it keeps
    KvAccount(long room) {
        this.room = room;
    }

    void add(long bytes) {
        taken.addAndGet(bytes);
    }

    /// Whether a pool may take so many more bytes while it has pages that nobody uses.
    ///
    /// @param budget of the pool: what an operator allows one model is not too much for all
    boolean hasRoom(long bytes, long budget) {
        return taken.get() + bytes <= Math.max(room, budget);
    }
}
