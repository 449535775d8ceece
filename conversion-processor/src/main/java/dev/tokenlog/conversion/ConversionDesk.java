package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.ConversionCancelRequested;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.engine.EngineException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes records of `conversion-requests` and works on them one after the other, on a thread of its
/// own, so that polling never waits. A record is acknowledged when what it asked for has ended in
/// the log. A cancel takes effect as soon as it arrives, also on a conversion that is waiting or
/// running.
final class ConversionDesk implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ConversionDesk.class);

    /// As long as a request is kept: what was begun before, nobody goes on with.
    private static final Duration LEFTOVERS_KEPT =
            Topic.CONVERSION_REQUESTS.kept().retention().orElseThrow();

    private final ConversionRun.Workshop workshop;
    private final Supplier<ConversionLog> connect;
    private final int backlogLimit;
    private final Duration retryInterval;
    private final Thread thread;

    private final Deque<Work> waiting = new ArrayDeque<>();
    private Work running;
    private CompletableFuture<Void> room = CompletableFuture.completedFuture(null);
    private boolean closed;

    /// One record.
    ///
    /// @param request empty if the record is none; `refusal` then says why
    /// @param stop for this record's conversion
    /// @param acknowledge to be called when nothing is left to do
    private record Work(
            ConsumerRecord<byte[], byte[]> record,
            Optional<ConversionRequest> request,
            UnreadableEventException refusal,
            StopSign stop,
            Runnable acknowledge) {

        boolean converts(String conversionId) {
            return request.filter(ConversionRequested.class::isInstance)
                    .map(ConversionRequest::conversionId)
                    .filter(conversionId::equals)
                    .isPresent();
        }
    }

    /// @param connect makes the log on the desk's own thread, and again after a failure
    /// @param backlogLimit records that wait before [#submit] asks for patience
    ConversionDesk(
            ConversionRun.Workshop workshop,
            Supplier<ConversionLog> connect,
            int backlogLimit,
            Duration retryInterval) {
        this.workshop = workshop;
        this.connect = connect;
        this.backlogLimit = backlogLimit;
        this.retryInterval = retryInterval;
        this.thread = Thread.ofPlatform().daemon().name("conversion-desk").unstarted(this::work);
    }

    void start() {
        thread.start();
    }

    boolean isAlive() {
        return thread.isAlive();
    }

    /// Returns at once.
    ///
    /// @return done when there is room for the next record
    CompletionStage<Void> submit(ConsumerRecord<byte[], byte[]> record, Runnable acknowledge) {
        Work work = read(record, acknowledge);
        synchronized (this) {
            if (work.request().orElse(null) instanceof ConversionCancelRequested cancel) {
                waiting.stream()
                        .filter(w -> w.converts(cancel.conversionId()))
                        .forEach(w -> w.stop().cancel(cancel.requestedBy()));
                if (running != null && running.converts(cancel.conversionId())) {
                    running.stop().cancel(cancel.requestedBy());
                }
            }
            waiting.add(work);
            notifyAll();
            if (waiting.size() >= backlogLimit && room.isDone()) {
                room = new CompletableFuture<>();
            }
            return room;
        }
    }

    private static Work read(ConsumerRecord<byte[], byte[]> record, Runnable acknowledge) {
        StopSign stop = new StopSign();
        try {
            ConversionRequest request =
                    EventJson.read(record.headers(), record.value(), ConversionRequest.class);
            return new Work(record, Optional.of(request), null, stop, acknowledge);
        } catch (UnreadableEventException e) {
            return new Work(record, Optional.empty(), e, stop, acknowledge);
        }
    }

    /// Drops everything without a word: somebody else goes on, or this process does later.
    synchronized void abandon() {
        waiting.forEach(work -> work.stop().abandon());
        waiting.clear();
        if (running != null) {
            running.stop().abandon();
        }
        room.complete(null);
    }

    /// Stops within the time that one tensor takes.
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            abandon();
            notifyAll();
        }
        try {
            thread.join(Duration.ofSeconds(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void work() {
        deleteLeftovers();
        ConversionLog log = null;
        try {
            for (Work work = next(); work != null; work = next()) {
                log = finish(work, log);
            }
        } finally {
            close(log);
        }
    }

    /// Conversions that were cancelled or failed leave their finished tensors for the next attempt:
    /// gigabytes, which nobody else would ever take away.
    private void deleteLeftovers() {
        try {
            int deleted = workshop.store().deleteLeftovers(LEFTOVERS_KEPT);
            if (deleted > 0) {
                LOG.info("conversion leftovers deleted count={}", deleted);
            }
        } catch (EngineException | UncheckedIOException e) {
            LOG.warn("conversion leftovers not deleted reason={}", e.getMessage());
        }
    }

    /// Tries until the record needs no more, or is abandoned.
    ///
    /// @param log of the record before, or null
    /// @return the log to go on with, or null
    private ConversionLog finish(Work work, ConversionLog log) {
        ConversionLog present = log;
        boolean again = true;
        while (again) {
            try {
                present = present == null ? connect.get() : present;
                guarded(work, present);
                return present;
            } catch (ConversionLog.UnavailableException | KafkaException e) {
                LOG.warn("conversion waits for the log reason={}", e.getMessage());
                close(present);
                present = null;
                again = pause(work.stop());
            }
        }
        return present;
    }

    /// A defect of ours becomes a dead letter, and the next record has its turn.
    private void guarded(Work work, ConversionLog log) {
        try {
            handle(work, log);
        } catch (ConversionLog.UnavailableException | KafkaException e) {
            throw e;
        } catch (RuntimeException defect) {
            LOG.error("conversion gives a record up offset={}", work.record().offset(), defect);
            log.deadLetter(work.record(), ErrorCode.INTERNAL, defect.toString());
            log.flush();
            work.acknowledge().run();
        }
    }

    private synchronized Work next() {
        running = null;
        while (waiting.isEmpty() && !closed) {
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            }
        }
        if (closed) {
            return null;
        }
        running = waiting.poll();
        if (waiting.size() < backlogLimit) {
            room.complete(null);
        }
        return running;
    }

    private void handle(Work work, ConversionLog log) {
        boolean ended = true;
        if (work.request().isEmpty()) {
            log.deadLetter(work.record(), work.refusal().code(), work.refusal().getMessage());
            log.flush();
        } else {
            switch (work.request().get()) {
                case ConversionRequested request -> ended = convert(request, work, log);
                case ConversionCancelRequested cancel -> cancel(cancel, work, log);
            }
        }
        if (ended) {
            work.acknowledge().run();
        }
    }

    /// @return false if it was abandoned
    private boolean convert(ConversionRequested request, Work work, ConversionLog log) {
        LOG.info(
                "conversion begins id={} source={} model={}",
                request.conversionId(),
                request.source(),
                request.modelId());
        ConversionRun run =
                new ConversionRun(request, work.record().headers(), workshop, log, work.stop());
        try {
            boolean ended = run.complete();
            LOG.info("conversion {} id={}", ended ? "ended" : "abandoned", request.conversionId());
            return ended;
        } catch (ConversionLog.UnavailableException e) {
            throw e;
        } catch (RuntimeException defect) {
            LOG.error("conversion failed by a defect id={}", request.conversionId(), defect);
            run.fail(defect);
            return true;
        }
    }

    /// What was waiting or running before has ended by now, cancelled or not. What the log does not
    /// know is cancelled before it begins.
    private static void cancel(ConversionCancelRequested cancel, Work work, ConversionLog log) {
        if (!log.progress(cancel.conversionId()).ended()) {
            log.append(
                    new ConversionCancelled(cancel.conversionId(), cancel.requestedBy()),
                    work.record().headers());
            log.flush();
        }
    }

    /// @return false if there is no point in trying again
    private synchronized boolean pause(StopSign stop) {
        long until = System.nanoTime() + retryInterval.toNanos();
        while (!closed && !stop.isAbandoned()) {
            long left = (until - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return true;
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return false;
    }

    private static void close(ConversionLog log) {
        if (log instanceof AutoCloseable closeable) {
            try {
                closeable.close();
            } catch (Exception e) {
                LOG.warn("conversion log did not close", e);
            }
        }
    }
}
