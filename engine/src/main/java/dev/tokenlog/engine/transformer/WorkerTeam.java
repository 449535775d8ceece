package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.Workspace;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/// Threads that share out the parts of one task at a time.
///
/// Parts are claimed, not assigned: on a busy machine the calling thread does what a sleeping
/// worker has not claimed, and waits only for parts that someone else is in the middle of. Which
/// thread computes a part has no influence on the result. Each thread begins with a range of its
/// own, in ascending order, so that it reads memory as one stream that can be asked for ahead; who
/// has done with that helps the others. Workers spin briefly between tasks, since the next one
/// usually follows within microseconds, and park when it does not.
final class WorkerTeam implements AutoCloseable {

    /// A task in parts that may run at the same time. Made once and used again.
    interface Task {
        void run(int part, Workspace workspace);
    }

    /// What the team will run soon, in parts as a task has them. Called by several threads.
    interface Upcoming {

        int parts();

        /// Asks for memory that a part reads, a piece at a time, without waiting for it.
        ///
        /// @return whether there was such a piece
        boolean prefetch(int part, int piece);
    }

    static final int MAX_PARTS = 0xfffe;

    /// Pieces that a thread asks for ahead: a quarter of a core's second level of cache.
    private static final int PREFETCHED_PIECES = (256 << 10) / PreparedMatrix.PREFETCHED_BYTES;

    /// Longer than what a step does between two tasks, far shorter than a person notices.
    private static final long SPIN_NANOS = 200_000;

    private static final int SPINS_BEFORE_YIELD = 2_000;

    /// Words between two threads' tickets: two cache lines, since processors fetch pairs of them.
    private static final int APART = 16;

    /// For each thread the number of the task, the end of its range of parts, the next part: 32, 16
    /// and 16 bits in one word, so that a late worker cannot claim a part of a task that is over.
    private final AtomicLongArray tickets;

    private final AtomicInteger unfinished = new AtomicInteger();
    private final AtomicInteger sleepers = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Workspace ownWorkspace;
    private final Thread[] workers;
    private Task task;
    private long number;
    private volatile Upcoming upcoming;
    private volatile boolean closed;

    /// @param workspaces one per thread; the first is the calling thread's
    WorkerTeam(List<Workspace> workspaces) {
        ownWorkspace = workspaces.getFirst();
        workers = new Thread[workspaces.size() - 1];
        tickets = new AtomicLongArray(workspaces.size() * APART);
        for (int i = 0; i < workers.length; i++) {
            int own = i + 1;
            workers[i] =
                    Thread.ofPlatform()
                            .daemon()
                            .name("tokenlog-compute-" + own)
                            .start(() -> work(own, workspaces.get(own)));
        }
    }

    int threads() {
        return workers.length + 1;
    }

    /// Says what comes after the task that is run next, so that threads that have nothing to do can
    /// bring it nearer: at the end of that task, and while the calling thread works alone.
    ///
    /// @param next null: unknown
    void announce(Upcoming next) {
        upcoming = next;
    }

    /// Runs all parts on the calling thread.
    void runAlone(Task task, int parts) {
        for (int part = 0; part < parts; part++) {
            task.run(part, ownWorkspace);
        }
    }

    /// Runs all parts and returns when they are done. A part that fails does not keep the others
    /// from running; the first failure is thrown afterwards.
    void run(Task task, int parts) {
        if (workers.length == 0 || parts == 1) {
            runAlone(task, parts);
            return;
        }
        if (parts > MAX_PARTS) {
            throw new IllegalArgumentException("at most " + MAX_PARTS + " parts, not " + parts);
        }
        this.task = task;
        unfinished.set(parts);
        number++;
        for (int i = 0; i < threads(); i++) {
            long from = (long) parts * i / threads();
            long end = (long) parts * (i + 1) / threads();
            tickets.set(i * APART, number << 32 | end << 16 | from);
        }
        wakeSleepers();
        runAll(0, ownWorkspace);
        awaitOthers();
        rethrow();
    }

    /// Claims and runs parts, of the own range first, until none is left.
    ///
    /// @return whether there were any
    private boolean runAll(int own, Workspace workspace) {
        boolean any = false;
        for (int i = 0; i < threads(); i++) {
            int range = (own + i) % threads() * APART;
            long ticket = tickets.get(range);
            while (!isExhausted(ticket)) {
                if (tickets.compareAndSet(range, ticket, ticket + 1)) {
                    runPart((int) (ticket & 0xffff), workspace);
                    any = true;
                }
                ticket = tickets.get(range);
            }
        }
        return any;
    }

    private void runPart(int part, Workspace workspace) {
        try {
            task.run(part, workspace);
        } catch (RuntimeException | Error thrown) {
            failure.compareAndSet(null, thrown);
        } finally {
            unfinished.decrementAndGet();
        }
    }

    private boolean isExhausted() {
        for (int i = 0; i < threads(); i++) {
            if (!isExhausted(tickets.get(i * APART))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isExhausted(long ticket) {
        return (ticket & 0xffff) >= (ticket >>> 16 & 0xffff);
    }

    private void awaitOthers() {
        int spins = 0;
        int piece = 0;
        while (unfinished.get() > 0) {
            if (prefetch(upcoming, 0, piece)) {
                piece++;
            } else if (++spins < SPINS_BEFORE_YIELD) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
    }

    /// Of the range that this thread will begin with.
    private boolean prefetch(Upcoming next, int own, int piece) {
        return next != null
                && piece < PREFETCHED_PIECES
                && next.prefetch(next.parts() * own / threads(), piece);
    }

    private void rethrow() {
        switch (failure.getAndSet(null)) {
            case null -> {}
            case RuntimeException thrown -> throw thrown;
            case Error thrown -> throw thrown;
            case Throwable thrown -> throw new IllegalStateException(thrown);
        }
    }

    private void work(int own, Workspace workspace) {
        long idleSince = System.nanoTime();
        Upcoming next = null;
        int piece = 0;
        while (!closed) {
            if (next != upcoming) {
                next = upcoming;
                piece = 0;
            }
            if (runAll(own, workspace)) {
                idleSince = System.nanoTime();
            } else if (prefetch(next, own, piece)) {
                piece++;
            } else if (System.nanoTime() - idleSince < SPIN_NANOS) {
                Thread.onSpinWait();
            } else {
                sleep();
                idleSince = System.nanoTime();
            }
        }
    }

    /// The caller publishes a task first and looks for sleepers second; a worker becomes a sleeper
    /// first and looks for a task second: one of them sees the other.
    private void sleep() {
        sleepers.incrementAndGet();
        if (isExhausted() && !closed) {
            LockSupport.park(this);
        }
        sleepers.decrementAndGet();
    }

    private void wakeSleepers() {
        if (sleepers.get() > 0) {
            for (Thread worker : workers) {
                LockSupport.unpark(worker);
            }
        }
    }

    /// Ends the threads and waits for them. Not while a task runs.
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
