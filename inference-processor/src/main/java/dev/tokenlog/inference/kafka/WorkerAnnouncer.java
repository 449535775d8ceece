package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.WorkerState;
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
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.jboss.logging.Logger;

/// Tells `worker-events` who this worker is and what it has: at once when partitions or models
/// change, from time to time otherwise, and with a tombstone at its end. On the protocol thread.
final class WorkerAnnouncer {

    private static final Logger LOG = Logger.getLogger(WorkerAnnouncer.class);
    private static final long CHECK_MILLIS = 200;

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
        List<?> now = List.of(worker.partitions(), models.loaded());
        if (!now.equals(announced) || clock.now() - announcedAt >= intervalMillis) {
            announced = now;
            announcedAt = clock.now();
            WorkerState state = state();
            send(EventJson.write(state), state, WorkerAnnouncer::report);
        }
        clock.after(CHECK_MILLIS, this::check);
    }

    /// The tombstone.
    void end(Consumer<SendResult> done) {
        ended = true;
        send(null, null, done);
    }

    private void send(byte[] value, WorkerState state, Consumer<SendResult> done) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(topic, workerId.getBytes(StandardCharsets.UTF_8), value);
        if (state != null) {
            EventHeaders.describe(state, record.headers());
        }
        sender.send(record, done);
    }

    private static void report(SendResult result) {
        if (!(result instanceof SendResult.Acknowledged)) {
            LOG.warnf("worker state not sent: %s", result);
        }
    }

    private WorkerState state() {
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
                                        m.modelId(), m.modelDigest(), m.bytes()))
                        .toList(),
                worker.partitions(),
                worker.activeGenerations(),
                worker.waitingGenerations());
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
