package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// [ValidationLog] on Kafka: an idempotent producer, and a consumer without a group that keeps up
/// with `accuracy-metrics` and `model-manifests` from their beginning.
final class KafkaValidationLog implements ValidationLog, AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(KafkaValidationLog.class);
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration CLOSE = Duration.ofSeconds(2);

    private final String prefix;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final GenerationFinder generations;
    private final List<Future<?>> pending = new ArrayList<>();
    private final VerdictHistory verdicts = new VerdictHistory();

    /// Per model: manifest by digest, the latest last.
    private final Map<String, LinkedHashMap<String, ModelManifest>> manifests = new HashMap<>();

    private boolean assigned;

    /// @param kafka client settings
    KafkaValidationLog(Map<String, Object> kafka, String prefix) {
        this.prefix = prefix;
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.remove(ConsumerConfig.GROUP_ID_CONFIG);
        this.producer =
                new KafkaProducer<>(
                        with(
                                settings,
                                Map.of(
                                        ProducerConfig.ACKS_CONFIG,
                                        "all",
                                        ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG,
                                        true,
                                        ProducerConfig.MAX_REQUEST_SIZE_CONFIG,
                                        Topic.DEAD_LETTER_LIMIT)),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
        this.consumer = consumer(settings);
        this.generations = new GenerationFinder(() -> consumer(settings), prefix);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        return new KafkaConsumer<>(
                with(
                        settings,
                        Map.of(
                                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG,
                                false,
                                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG,
                                "earliest",
                                // It looks for something, seeks, and waits for the fetch before.
                                ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG,
                                10)),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
    }

    private static Map<String, Object> with(Map<String, Object> kafka, Map<String, Object> ours) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.putAll(ours);
        return settings;
    }

    @Override
    public VerdictHistory verdicts() {
        catchUp();
        return verdicts;
    }

    @Override
    public Optional<ModelManifest> manifest(String modelId, String modelDigest) {
        catchUp();
        LinkedHashMap<String, ModelManifest> known = manifests.get(modelId);
        if (known == null || known.isEmpty()) {
            return Optional.empty();
        }
        return modelDigest == null
                ? Optional.of(known.lastEntry().getValue())
                : Optional.ofNullable(known.get(modelDigest));
    }

    @Override
    public Optional<LoggedGeneration> generation(
            String generationId, Integer partition, Long promptOffset) {
        try {
            return generations.find(generationId, partition, promptOffset);
        } catch (KafkaException e) {
            throw new UnavailableException("generations cannot be read: " + e, e);
        }
    }

    private void catchUp() {
        try {
            if (!assigned) {
                assign();
            }
            Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
            while (ends.entrySet().stream()
                    .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
                if (records.isEmpty()) {
                    consumer.endOffsets(consumer.assignment()); // throws if no broker answers
                }
                records.forEach(this::note);
            }
        } catch (KafkaException e) {
            throw new UnavailableException("verdicts and manifests cannot be read: " + e, e);
        }
    }

    private void assign() {
        List<TopicPartition> partitions =
                Stream.of(Topic.ACCURACY_METRICS, Topic.MODEL_MANIFESTS)
                        .flatMap(topic -> consumer.partitionsFor(topic.name(prefix)).stream())
                        .map(p -> new TopicPartition(p.topic(), p.partition()))
                        .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        assigned = true;
    }

    private void note(ConsumerRecord<byte[], byte[]> record) {
        try {
            if (record.topic().equals(Topic.ACCURACY_METRICS.name(prefix))) {
                verdicts.add(EventJson.read(record.headers(), record.value(), AccuracyEvent.class));
            } else if (record.value() != null) {
                note(EventJson.read(record.headers(), record.value(), ModelManifest.class));
            } else if (record.key() != null) {
                manifests.remove(new String(record.key(), StandardCharsets.UTF_8));
            }
        } catch (UnreadableEventException e) {
            LOG.warn(
                    "validation ignores an unreadable event topic={} offset={} reason={}",
                    record.topic(),
                    record.offset(),
                    e.getMessage());
        }
    }

    private void note(ModelManifest manifest) {
        manifests
                .computeIfAbsent(manifest.modelId(), id -> new LinkedHashMap<>())
                .putLast(manifest.modelDigest(), manifest);
    }

    @Override
    public void append(AccuracyEvent event, Headers request) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        Topic.ACCURACY_METRICS.name(prefix),
                        event.modelId().getBytes(StandardCharsets.UTF_8),
                        EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        EventHeaders.pass(request, record.headers());
        send(record);
    }

    @Override
    public void deadLetter(
            ConsumerRecord<byte[], byte[]> original, ErrorCode code, String message) {
        send(
                DeadLetter.of(original, code, message, 1)
                        .record(prefix, original.key(), original.value(), original.headers()));
    }

    private void send(ProducerRecord<byte[], byte[]> record) {
        try {
            pending.add(producer.send(record));
        } catch (KafkaException e) {
            throw new UnavailableException("a record cannot be sent: " + e, e);
        }
    }

    @Override
    public void flush() {
        List<Future<?>> sent = List.copyOf(pending);
        pending.clear();
        try {
            producer.flush();
            for (Future<?> send : sent) {
                send.get();
            }
        } catch (ExecutionException e) {
            throw new UnavailableException("a record was not written: " + e.getCause(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("interrupted while writing", e);
        }
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(CLOSE));
        producer.close(CLOSE);
    }
}
