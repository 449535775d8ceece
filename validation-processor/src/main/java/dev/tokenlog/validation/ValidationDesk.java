package dev.tokenlog.validation;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.ValidationRequest;
import dev.tokenlog.contracts.ValidationRequest.CandidateReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes manifests and requests and validates one model after the other, on a thread of its own, so
/// that polling never waits. A record is acknowledged when its verdict is durable.
final class ValidationDesk implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ValidationDesk.class);

    private final Comparison comparison;
    private final Replays replays;
    private final Supplier<ValidationLog> connect;
    private final Supplier<Hub> hub;
    private final ArtifactFolders artifacts;
    private final String workerId;
    private final Duration retryInterval;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("validation-desk").factory());

    /// Per topic a number that rises whenever its records at hand are dropped.
    private final Map<String, AtomicInteger> epochs = new ConcurrentHashMap<>();

    private ValidationLog log;
    private volatile boolean closed;
    private volatile boolean broken;

    /// @param connect makes the log on the desk's own thread, and again after a failure
    /// @param hub where baselines of the hub come from
    ValidationDesk(
            Comparison comparison,
            Replays replays,
            Supplier<ValidationLog> connect,
            Supplier<Hub> hub,
            ArtifactFolders artifacts,
            String workerId,
            Duration retryInterval) {
        this.comparison = comparison;
        this.replays = replays;
        this.connect = connect;
        this.hub = hub;
        this.artifacts = artifacts;
        this.workerId = workerId;
        this.retryInterval = retryInterval;
    }

    private interface Job {
        void run(BooleanSupplier stop);
    }

    /// A record of `model-manifests`: validated unless its digest has been judged.
    ///
    /// @return done when the next record may come
    CompletionStage<Void> manifest(ConsumerRecord<byte[], byte[]> record, Runnable acknowledge) {
        return submit(record, stop -> validateManifest(record, stop), acknowledge);
    }

    /// A record of `validation-requests`: answered in any case, once.
    ///
    /// @return done when the next record may come
    CompletionStage<Void> request(ConsumerRecord<byte[], byte[]> record, Runnable acknowledge) {
        return submit(record, stop -> answer(record, stop), acknowledge);
    }

    private CompletionStage<Void> submit(
            ConsumerRecord<byte[], byte[]> record, Job job, Runnable acknowledge) {
        AtomicInteger epoch = epochs.computeIfAbsent(record.topic(), topic -> new AtomicInteger());
        int submittedIn = epoch.get();
        BooleanSupplier stop = () -> closed || epoch.get() != submittedIn;
        if (closed) {
            return CompletableFuture.completedFuture(null);
        }
        return CompletableFuture.runAsync(
                        () -> {
                            if (finish(record, job, stop)) {
                                acknowledge.run();
                            }
                        },
                        thread)
                .whenComplete((nothing, failure) -> {
                    if (failure != null) {
                        broken = true;
                        LOG.error("validation is out of order", failure);
                    }
                });
    }

    /// @return false if it was stopped
    private boolean finish(ConsumerRecord<byte[], byte[]> record, Job job, BooleanSupplier stop) {
        while (!stop.getAsBoolean()) {
            try {
                if (log == null) {
                    log = connect.get();
                }
                guarded(record, job, stop);
                return true;
            } catch (CancellationException e) {
                LOG.info("validation stopped reason={}", e.getMessage());
                pause(stop);
            } catch (ValidationLog.UnavailableException | KafkaException e) {
                LOG.warn("validation waits for the log reason={}", e.getMessage());
                closeLog();
                pause(stop);
            }
        }
        return false;
    }

    /// A defect of ours becomes a dead letter, and the next record has its turn.
    private void guarded(ConsumerRecord<byte[], byte[]> record, Job job, BooleanSupplier stop) {
        try {
            job.run(stop);
        } catch (CancellationException | ValidationLog.UnavailableException | KafkaException e) {
            throw e;
        } catch (RuntimeException defect) {
            LOG.error("validation failed by a defect", defect);
            deadLetter(record, ErrorCode.INTERNAL, defect.toString());
        }
    }

    private void validateManifest(ConsumerRecord<byte[], byte[]> record, BooleanSupplier stop) {
        if (record.value() == null) {
            return;
        }
        ModelManifest manifest;
        try {
            manifest = EventJson.read(record.headers(), record.value(), ModelManifest.class);
        } catch (UnreadableEventException e) {
            deadLetter(record, e.code(), e.getMessage());
            return;
        }
        String validationId = "manifest-" + record.partition() + "-" + record.offset();
        ValidationPolicy policy = ValidationPolicy.forBits(manifest.bits());
        VerdictHistory verdicts = log.verdicts();
        if (verdicts.hasEnded(validationId)
                || verdicts.isJudged(
                        manifest.modelId(),
                        manifest.modelDigest(),
                        policy,
                        comparison.numericsId())) {
            LOG.info(
                    "validation not repeated model={} digest={}",
                    manifest.modelId(),
                    manifest.modelDigest());
            return;
        }
        run().complete(
                        new ValidationRun.Subject(
                                validationId,
                                manifest,
                                manifest.source(),
                                policy,
                                record.headers()),
                        stop);
    }

    private void answer(ConsumerRecord<byte[], byte[]> record, BooleanSupplier stop) {
        try {
            switch (EventJson.read(record.headers(), record.value(), ValidationRequest.class)) {
                case ValidationRequested request -> validate(request, record, stop);
                case ReplayRequested request -> {
                    String id = idOf(request.replayId(), record);
                    if (!log.verdicts().hasEnded(id)) {
                        new ReplayRun(replays, log, artifacts)
                                .verify(id, request, record.headers(), stop);
                    }
                }
                case CandidateReplayRequested request -> {
                    String id = idOf(request.replayId(), record);
                    if (!log.verdicts().hasEnded(id)) {
                        new ReplayRun(replays, log, artifacts)
                                .compare(id, request, record.headers(), stop);
                    }
                }
            }
        } catch (UnreadableEventException e) {
            deadLetter(record, e.code(), e.getMessage());
        }
    }

    private void validate(
            ValidationRequested request,
            ConsumerRecord<byte[], byte[]> record,
            BooleanSupplier stop) {
        String validationId = idOf(request.validationId(), record);
        if (log.verdicts().hasEnded(validationId)) {
            return;
        }
        Optional<ModelManifest> manifest = log.manifest(request.modelId(), request.modelDigest());
        if (manifest.isEmpty()) {
            deadLetter(
                    record,
                    ErrorCode.MODEL_UNKNOWN,
                    "no manifest of %s%s"
                            .formatted(
                                    request.modelId(),
                                    request.modelDigest() == null
                                            ? ""
                                            : " has the digest " + request.modelDigest()));
            return;
        }
        ValidationRun.Subject subject =
                new ValidationRun.Subject(
                        validationId,
                        manifest.get(),
                        request.against() == null ? manifest.get().source() : request.against(),
                        ValidationPolicy.forBits(manifest.get().bits()),
                        record.headers());
        if (request.profile() != null && !request.profile().equals("default")) {
            log.append(
                    run().none(
                                    subject,
                                    ErrorCode.UNSUPPORTED,
                                    "profile '" + request.profile() + "': expected default",
                                    System.nanoTime()),
                    record.headers());
            log.flush();
            return;
        }
        run().complete(subject, stop);
    }

    private static String idOf(String chosen, ConsumerRecord<byte[], byte[]> record) {
        return chosen == null ? "request-" + record.partition() + "-" + record.offset() : chosen;
    }

    /// A validation has the machine for itself.
    private ValidationRun run() {
        replays.release();
        return new ValidationRun(comparison, log, hub, artifacts, workerId);
    }

    private void deadLetter(ConsumerRecord<byte[], byte[]> record, ErrorCode code, String message) {
        LOG.warn(
                "validation refused topic={} offset={} code={} message={}",
                record.topic(),
                record.offset(),
                code,
                message);
        log.deadLetter(record, code, message);
        log.flush();
    }

    /// Whether it takes work: not closed, and not failed by an error of the machine.
    boolean isAlive() {
        return !closed && !broken;
    }

    /// Drops the records of a topic that are at hand without a word: somebody else goes on.
    void abandon(String topic) {
        epochs.computeIfAbsent(topic, t -> new AtomicInteger()).incrementAndGet();
    }

    @Override
    public void close() {
        closed = true;
        thread.execute(this::closeLog);
        thread.execute(replays::release);
        thread.shutdown();
        try {
            if (!thread.awaitTermination(5, TimeUnit.SECONDS)) {
                LOG.warn("validation does not stop in time; its thread ends with the process");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void pause(BooleanSupplier stop) {
        long until = System.nanoTime() + retryInterval.toNanos();
        try {
            while (!stop.getAsBoolean() && System.nanoTime() < until) {
                Thread.sleep(Math.min(50, retryInterval.toMillis()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void closeLog() {
        if (log instanceof AutoCloseable closeable) {
            try {
                closeable.close();
            } catch (Exception e) {
                LOG.warn("validation log did not close", e);
            }
        }
        log = null;
    }
}
