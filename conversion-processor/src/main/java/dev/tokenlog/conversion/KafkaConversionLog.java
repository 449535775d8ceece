package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
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
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// [ConversionLog] on Kafka: an idempotent producer, and a consumer without a group that keeps up
/// with `conversion-events` from its beginning.
final class KafkaConversionLog implements ConversionLog, AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(KafkaConversionLog.class);
    private static final Duration POLL = Duration.ofMillis(200);
    private static final Duration CLOSE = Duration.ofSeconds(2);

    private final String prefix;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, Progress> progress = new HashMap<>();
    private final List<Future<?>> pending = new ArrayList<>();
    private boolean assigned;

    /// @param kafka client settings
    KafkaConversionLog(Map<String, Object> kafka, String prefix) {
        this.prefix = prefix;
        this.producer =
                new KafkaProducer<>(
                        producerSettings(kafka),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
        this.consumer =
                new KafkaConsumer<>(
                        consumerSettings(kafka),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
    }

    private static Map<String, Object> producerSettings(Map<String, Object> kafka) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.remove(ConsumerConfig.GROUP_ID_CONFIG);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Topic.DEAD_LETTER_LIMIT);
        return settings;
    }

    private static Map<String, Object> consumerSettings(Map<String, Object> kafka) {
        Map<String, Object> settings = new HashMap<>(kafka);
        settings.remove(ConsumerConfig.GROUP_ID_CONFIG);
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return settings;
    }

    @Override
    public Progress progress(String conversionId) {
        try {
            catchUp();
        } catch (KafkaException e) {
            throw new UnavailableException("conversion-events cannot be read: " + e, e);
        }
        Progress known = progress.get(conversionId);
        return known == null ? new Progress() : known.copy();
    }

    private void catchUp() {
        if (!assigned) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(Topic.CONVERSION_EVENTS.name(prefix)).stream()
                            .map(p -> new TopicPartition(p.topic(), p.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            assigned = true;
        }
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        while (ends.entrySet().stream()
                .anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
            if (records.isEmpty()) {
                consumer.endOffsets(consumer.assignment()); // throws if no broker answers
            }
            records.forEach(this::note);
        }
    }

    private void note(ConsumerRecord<byte[], byte[]> record) {
        try {
            ConversionEvent event =
                    EventJson.read(record.headers(), record.value(), ConversionEvent.class);
            progress.computeIfAbsent(event.conversionId(), id -> new Progress()).note(event);
        } catch (UnreadableEventException e) {
            LOG.warn(
                    "conversion ignores an unreadable event partition={} offset={} reason={}",
                    record.partition(),
                    record.offset(),
                    e.getMessage());
        }
    }

    @Override
    public void append(ConversionEvent event, Headers request) {
        send(Topic.CONVERSION_EVENTS, event.conversionId(), event, request);
    }

    @Override
    public void append(ModelManifest manifest, Headers request) {
        send(Topic.MODEL_MANIFESTS, manifest.modelId(), manifest, request);
    }

    private void send(Topic topic, String key, Event event, Headers request) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        topic.name(prefix),
                        key.getBytes(StandardCharsets.UTF_8),
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
        producer.flush();
        for (Future<?> send : sent) {
            try {
                send.get();
            } catch (ExecutionException e) {
                throw failure(e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new UnavailableException("interrupted while writing", e);
            }
        }
    }

    private static RuntimeException failure(Throwable cause) {
        return cause instanceof RecordTooLargeException
                ? new TooLargeException(cause.getMessage(), cause)
                : new UnavailableException("a record was not written: " + cause, cause);
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(CLOSE));
        producer.close(CLOSE);
    }
}
