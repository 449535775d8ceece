package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.Workspace;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/// Threads that share out the parts of one task at a time.
///
/// Parts are claimed, not assigned: on a busy machine the calling thread does what a sleeping
/// worker has not claimed, and waits only for parts that someone else is in the middle of. Which
/// thread computes a part has no influence on the result. Workers spin briefly between tasks, since
/// the next one usually follows within microseconds, and park when it does not.
final class WorkerTeam implements AutoCloseable {

    /// A task in parts that may run at the same time. Made once and used again.
    interface Task {
        void run(int part, Workspace workspace);
    }

    static final int MAX_PARTS = 0xfffe;

    private static final long SPIN_NANOS = 50_000;
    private static final int SPINS_BEFORE_YIELD = 2_000;

    /// The number of the task, its number of parts, the next part: 32, 16 and 16 bits in one word,
    /// so that a late worker cannot claim a part of a task that is over.
    private final AtomicLong ticket = new AtomicLong();

    private final AtomicInteger unfinished = new AtomicInteger();
    private final AtomicInteger sleepers = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Workspace ownWorkspace;
    private final Thread[] workers;
    private Task task;
    private long number;
    private volatile boolean closed;

    /// @param workspaces one per thread; the first is the calling thread's
    WorkerTeam(List<Workspace> workspaces) {
        ownWorkspace = workspaces.getFirst();
        workers = new Thread[workspaces.size() - 1];
        for (int i = 0; i < workers.length; i++) {
            Workspace workspace = workspaces.get(i + 1);
            workers[i] =
                    Thread.ofPlatform()
                            .daemon()
                            .name("tokenlog-compute-" + (i + 1))
                            .start(() -> work(workspace));
        }
    }

    int threads() {
        return workers.length + 1;
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
        ticket.set(number << 32 | (long) parts << 16);
        wakeSleepers();
        boolean more = parts > 0;
        while (more) {
            more = runNext(ownWorkspace);
        }
        awaitOthers();
        rethrow();
    }

    /// Claims and runs one part.
    ///
    /// @return false if none is left
    private boolean runNext(Workspace workspace) {
        long current = ticket.get();
        if (isExhausted(current)) {
            return false;
        }
        if (ticket.compareAndSet(current, current + 1)) {
            try {
                task.run((int) (current & 0xffff), workspace);
            } catch (RuntimeException | Error thrown) {
                failure.compareAndSet(null, thrown);
            } finally {
                unfinished.decrementAndGet();
            }
        }
        return true;
    }

    private static boolean isExhausted(long ticket) {
        return (ticket & 0xffff) >= (ticket >>> 16 & 0xffff);
    }

    private void awaitOthers() {
        int spins = 0;
        while (unfinished.get() > 0) {
            if (++spins < SPINS_BEFORE_YIELD) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
    }

    private void rethrow() {
        switch (failure.getAndSet(null)) {
            case null -> {}
            case RuntimeException thrown -> throw thrown;
            case Error thrown -> throw thrown;
            case Throwable thrown -> throw new IllegalStateException(thrown);
        }
    }

    private void work(Workspace workspace) {
        long idleSince = System.nanoTime();
        while (!closed) {
            if (runNext(workspace)) {
                idleSince = System.nanoTime();
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
        if (isExhausted(ticket.get()) && !closed) {
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
