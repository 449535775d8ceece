package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.ProtocolClock;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/// The one thread that owns all protocol state.
///
/// A defect in a task ends the thread for good: a worker whose rules are broken must not go on
/// publishing. Liveness then says so.
final class ProtocolThread implements ProtocolClock, Executor, AutoCloseable {

    private static final Logger LOG = Logger.getLogger(ProtocolThread.class);

    private final ScheduledThreadPoolExecutor thread;
    private final long clockOffset;
    private final Runnable onDefect;
    private volatile RuntimeException defect;

    /// @param clockOffset how wrong the time is that it tells
    ProtocolThread(Duration clockOffset, Runnable onDefect) {
        this.clockOffset = clockOffset.toMillis();
        this.onDefect = onDefect;
        this.thread =
                new ScheduledThreadPoolExecutor(
                        1, task -> Thread.ofPlatform().name("inference-protocol").unstarted(task));
        thread.setRemoveOnCancelPolicy(true);
        thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    }

    @Override
    public long now() {
        return System.currentTimeMillis() + clockOffset;
    }

    @Override
    public void execute(Runnable task) {
        try {
            thread.execute(() -> guarded(task));
        } catch (RejectedExecutionException ended) {
            LOG.debug("told of something after the end", ended);
        }
    }

    @Override
    public Cancellable after(long millis, Runnable task) {
        try {
            Future<?> timer = thread.schedule(() -> guarded(task), millis, TimeUnit.MILLISECONDS);
            return () -> timer.cancel(false);
        } catch (RejectedExecutionException ended) {
            LOG.debug("no timers after the end", ended);
            return () -> {};
        }
    }

    /// A value as the protocol thread sees it.
    <T> CompletableFuture<T> ask(Supplier<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        execute(() -> answer.complete(question.get()));
        return answer;
    }

    private void guarded(Runnable task) {
        if (defect != null) {
            return;
        }
        try {
            task.run();
        } catch (RuntimeException e) {
            if (thread.isShutdown()) {
                // What it works with is being closed: no defect, and nobody is waiting for it.
                LOG.debug("a task met the end", e);
                return;
            }
            defect = e;
            LOG.fatal("the protocol thread failed and publishes nothing more", e);
            thread.shutdownNow();
            onDefect.run();
        }
    }

    boolean isAlive() {
        return defect == null && !thread.isShutdown();
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
