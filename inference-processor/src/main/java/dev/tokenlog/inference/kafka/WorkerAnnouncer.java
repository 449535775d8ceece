package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.WorkerEvent;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.contracts.WorkerEvent.ModelEvicted;
import dev.tokenlog.contracts.WorkerEvent.ModelLoadFailed;
import dev.tokenlog.contracts.WorkerEvent.ModelLoaded;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.engine.ProcessMemory;
import dev.tokenlog.inference.model.ModelLoader;
import dev.tokenlog.inference.model.ModelPool;
import dev.tokenlog.inference.protocol.ProtocolClock;
import dev.tokenlog.inference.protocol.SendResult;
import dev.tokenlog.inference.protocol.Worker;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.jboss.logging.Logger;

/// Tells `worker-events` who this worker is and what it has: at once when partitions or models
/// change, every second while prompts wait, from time to time otherwise, and with a tombstone at
/// its end. On the protocol thread.
final class WorkerAnnouncer {

    private static final Logger LOG = Logger.getLogger(WorkerAnnouncer.class);
    private static final long CHECK_MILLIS = 200;
    private static final long QUEUE_MILLIS = 1_000;

    private final String topic;
    private final String workerId;
    private final Worker worker;
    private final ModelLoader loader;
    private final ModelPool models;
    private final RecordSender sender;
    private final ProtocolClock clock;
    private final long intervalMillis;
    private final long startedAt;
    private final String host = host();
    private List<?> announced = List.of();
    private long announcedAt = Long.MIN_VALUE / 2;
    private boolean queueAnnounced;
    private boolean ended;

    WorkerAnnouncer(
            String prefix,
            String workerId,
            Worker worker,
            ModelLoader loader,
            ModelPool models,
            RecordSender sender,
            ProtocolClock clock,
            Duration interval) {
        this.topic = Topic.WORKER_EVENTS.name(prefix);
        this.workerId = workerId;
        this.worker = worker;
        this.loader = loader;
        this.models = models;
        this.sender = sender;
        this.clock = clock;
        this.intervalMillis = interval.toMillis();
        this.startedAt = clock.now();
    }

    void check() {
        if (ended) {
            return;
        }
        if (!lasting().equals(announced) || clock.now() - announcedAt >= interval()) {
            announce();
        }
        clock.after(CHECK_MILLIS, this::check);
    }

    /// Places in the queue are worth little when they are old. Once more when nobody waits any
    /// more.
    private long interval() {
        boolean queueIsNew = worker.waitingGenerations() > 0 || queueAnnounced;
        return queueIsNew ? Math.min(QUEUE_MILLIS, intervalMillis) : intervalMillis;
    }

    /// A load or an eviction, and then how things are with it: the latest record of a worker is
    /// always a snapshot.
    void tell(ModelEvent event) {
        log(event);
        if (!ended) {
            send(event, WorkerAnnouncer::report);
            announce();
        }
    }

    private static void log(ModelEvent event) {
        switch (event) {
            case ModelLoaded e ->
                    LOG.infof(
                            "model loaded: model_id=%s digest=%s bytes=%d millis=%d reason=%s",
                            e.modelId(), e.modelDigest(), e.bytes(), e.durationMs(), e.reason());
            case ModelLoadFailed e ->
                    LOG.warnf(
                            "model not loaded: model_id=%s digest=%s code=%s: %s",
                            e.modelId(), e.modelDigest(), e.code(), e.message());
            case ModelEvicted e ->
                    LOG.infof(
                            "model evicted: model_id=%s digest=%s bytes=%d millis=%d reason=%s",
                            e.modelId(), e.modelDigest(), e.bytes(), e.durationMs(), e.reason());
        }
    }

    /// What is worth a snapshot of its own when it changes.
    private List<?> lasting() {
        return List.of(
                worker.partitions(),
                models.loaded().stream().map(m -> List.of(m.modelDigest(), m.pinned())).toList());
    }

    private void announce() {
        announced = lasting();
        announcedAt = clock.now();
        queueAnnounced = worker.waitingGenerations() > 0;
        send(state(), WorkerAnnouncer::report);
    }

    /// The tombstone.
    void end(Consumer<SendResult> done) {
        ended = true;
        sender.send(record(null), done);
    }

    private void send(WorkerEvent event, Consumer<SendResult> done) {
        ProducerRecord<byte[], byte[]> record = record(EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        sender.send(record, done);
    }

    private ProducerRecord<byte[], byte[]> record(byte[] value) {
        return new ProducerRecord<>(topic, workerId.getBytes(StandardCharsets.UTF_8), value);
    }

    private static void report(SendResult result) {
        if (!(result instanceof SendResult.Acknowledged)) {
            LOG.warnf("worker state not sent: %s", result);
        }
    }

    private WorkerState state() {
        OptionalLong peak = ProcessMemory.peak();
        return new WorkerState(
                workerId,
                "inference",
                host,
                startedAt,
                loader.compute(),
                loader.numericsId(),
                loader.threads(),
                Runtime.getRuntime().maxMemory(),
                models.loaded().stream()
                        .map(m ->
                                new WorkerState.LoadedModel(
                                        m.modelId(),
                                        m.modelDigest(),
                                        m.bytes(),
                                        m.loadMillis(),
                                        m.pinned(),
                                        m.generations()))
                        .toList(),
                worker.partitions(),
                worker.activeGenerations(),
                worker.waitingGenerations(),
                peak.isPresent() ? peak.getAsLong() : null,
                models.budgetBytes(),
                worker.queue(WorkerState.QUEUE_LIMIT),
                worker.debt().entrySet().stream()
                        .map(e -> new WorkerState.ModelDebt(e.getKey(), e.getValue()))
                        .toList());
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            LOG.debug("this machine does not know its name", e);
            return "unknown";
        }
    }
}
