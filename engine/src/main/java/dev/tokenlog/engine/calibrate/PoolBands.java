package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.quantize.Bands;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/// Parts on a few threads, each taking the next one that nobody has taken.
final class PoolBands implements Bands, AutoCloseable {

    private final int threads;
    private final ExecutorService pool;
    private final BooleanSupplier cancelled;

    PoolBands(int threads, BooleanSupplier cancelled) {
        this.threads = threads;
        this.cancelled = cancelled;
        this.pool =
                Executors.newFixedThreadPool(
                        threads, Thread.ofPlatform().daemon().name("calibrate-", 0).factory());
    }

    @Override
    public void run(int count, Part part) {
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> workers = new ArrayList<>();
        for (int i = 0; i < Math.min(threads, count); i++) {
            workers.add(pool.submit(() -> take(next, count, part)));
        }
        try {
            for (Future<?> worker : workers) {
                worker.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            next.set(count);
            throw new CancellationException("the calibration was interrupted");
        } catch (ExecutionException e) {
            next.set(count);
            throw e.getCause() instanceof RuntimeException known
                    ? known
                    : new IllegalStateException("calibrating failed", e.getCause());
        }
    }

    @Override
    public void requireGoOn() {
        CalibrationText.requireGoOn(cancelled);
    }

    private void take(AtomicInteger next, int count, Part part) {
        for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
            requireGoOn();
            part.run(i);
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
        pool.close();
    }
}
