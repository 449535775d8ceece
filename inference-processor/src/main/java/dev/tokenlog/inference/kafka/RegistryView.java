package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.inference.protocol.ModelCatalogue;
import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/// What `model-registry` says, read from its beginning and kept current.
final class RegistryView implements ModelCatalogue, LogReader.Sink {

    private static final Logger LOG = Logger.getLogger(RegistryView.class);

    private final TopicPartition partition;
    private final LogReader log;
    private final Executor protocol;
    private final Runnable changed;
    private final Map<String, ModelServing> models = new ConcurrentHashMap<>();
    private volatile boolean read;

    /// @param changed is run on the protocol thread when all of the topic has been read for the
    ///   first time, and whenever something is new from then on
    RegistryView(String topic, LogReader log, Executor protocol, Runnable changed) {
        this.partition = new TopicPartition(topic, 0);
        this.log = log;
        this.protocol = protocol;
        this.changed = changed;
    }

    void start() {
        log.follow(partition, new StartingPoint.Offset(0), this);
    }

    /// Whether it has been read to its end once.
    boolean isRead() {
        return read;
    }

    @Override
    public Optional<ModelServing> find(String modelId) {
        return Optional.ofNullable(models.get(modelId));
    }

    @Override
    public void whenCurrent(Runnable task) {
        log.whenCurrent(partition, () -> protocol.execute(task));
    }

    @Override
    public void records(List<ConsumerRecord<byte[], byte[]>> records, long next) {
        records.forEach(this::take);
        if (read) {
            protocol.execute(changed);
        }
    }

    /// Whether prompts are answered with this digest now, under whatever name. From any thread.
    boolean isServed(String digest) {
        return models.values().stream()
                .anyMatch(model ->
                        model.state() == ModelServing.State.SERVING
                                && model.current() != null
                                && model.current().modelDigest().equals(digest));
    }

    private void take(ConsumerRecord<byte[], byte[]> record) {
        if (record.key() == null) {
            LOG.warnf("topic=%s offset=%d has no key", record.topic(), record.offset());
            return;
        }
        String modelId = new String(record.key(), StandardCharsets.UTF_8);
        if (record.value() == null) {
            models.remove(modelId);
            return;
        }
        try {
            models.put(modelId, EventJson.read(record.value(), ModelServing.class));
        } catch (UnreadableEventException e) {
            LOG.warnf(
                    "topic=%s offset=%d is no registry entry: %s",
                    record.topic(), record.offset(), e.getMessage());
        }
    }

    @Override
    public void reachedEnd() {
        read = true;
        protocol.execute(changed);
    }
}
