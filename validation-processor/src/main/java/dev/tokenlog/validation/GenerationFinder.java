package dev.tokenlog.validation;

import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;

/// Finds past generations in `tokens` and their prompts in `prompts`.
final class GenerationFinder {

    private static final Duration POLL = Duration.ofMillis(200);

    /// How far the clocks of brokers and clients may be apart: token events are looked for from
    /// this long before their prompt's time on.
    private static final Duration CLOCK_SKEW = Duration.ofSeconds(60);

    private final Supplier<KafkaConsumer<byte[], byte[]>> consumers;
    private final String prefix;

    /// @param consumers without a group, reading from the beginning where they have no position
    GenerationFinder(Supplier<KafkaConsumer<byte[], byte[]>> consumers, String prefix) {
        this.consumers = consumers;
        this.prefix = prefix;
    }

    /// @param partition null: looked for in all
    /// @param promptOffset null: the first generation of this id that the log holds
    /// @throws org.apache.kafka.common.KafkaException if the log does not answer
    Optional<LoggedGeneration> find(String generationId, Integer partition, Long promptOffset) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumers.get()) {
            List<TopicPartition> tokens =
                    consumer.partitionsFor(Topic.TOKENS.name(prefix)).stream()
                            .filter(p -> partition == null || p.partition() == partition)
                            .map(p -> new TopicPartition(p.topic(), p.partition()))
                            .toList();
            for (TopicPartition each : tokens) {
                Optional<LoggedGeneration> found = find(consumer, each, generationId, promptOffset);
                if (found.isPresent()) {
                    return found;
                }
            }
            return Optional.empty();
        }
    }

    private Optional<LoggedGeneration> find(
            KafkaConsumer<byte[], byte[]> consumer,
            TopicPartition tokens,
            String generationId,
            Long promptOffset) {
        Optional<ConsumerRecord<byte[], byte[]>> prompt =
                promptOffset == null
                        ? Optional.empty()
                        : prompt(consumer, tokens.partition(), promptOffset);
        Fold fold = new Fold(generationId, promptOffset);
        read(
                consumer,
                tokens,
                prompt.map(p -> p.timestamp() - CLOCK_SKEW.toMillis()).orElse(0L),
                fold);
        if (fold.log == null) {
            return Optional.empty();
        }
        if (promptOffset == null) {
            prompt = prompt(consumer, tokens.partition(), fold.log.promptOffset());
        }
        return Optional.of(
                new LoggedGeneration(
                        tokens.partition(),
                        prompt.flatMap(GenerationFinder::parsed),
                        prompt.map(p -> Instant.ofEpochMilli(p.timestamp())).orElse(Instant.EPOCH),
                        fold.log));
    }

    /// The log of the first generation of an id that has a valid start.
    private static final class Fold {
        private final String generationId;
        private final Map<Long, GenerationLog> logs = new HashMap<>();
        private Long promptOffset;
        private GenerationLog log;

        Fold(String generationId, Long promptOffset) {
            this.generationId = generationId;
            this.promptOffset = promptOffset;
        }

        /// @return false when nothing that comes can change it
        boolean accept(ConsumerRecord<byte[], byte[]> record) {
            TokenEvent event;
            try {
                event = EventJson.read(record.headers(), record.value(), TokenEvent.class);
            } catch (UnreadableEventException _) {
                return true; // void for every reader
            }
            if (!event.generationId().equals(generationId)
                    || promptOffset != null && !promptOffset.equals(event.promptOffset())) {
                return true;
            }
            GenerationLog each =
                    logs.computeIfAbsent(
                            event.promptOffset(), o -> new GenerationLog(generationId, o));
            each.apply(record.offset(), event);
            if (each.started().isPresent()) {
                log = each;
                promptOffset = each.promptOffset();
            }
            return !each.ended();
        }
    }

    private static void read(
            KafkaConsumer<byte[], byte[]> consumer, TopicPartition place, long since, Fold fold) {
        consumer.assign(List.of(place));
        OffsetAndTimestamp from =
                consumer.offsetsForTimes(Map.of(place, Math.max(0, since))).get(place);
        if (from == null) {
            return;
        }
        consumer.seek(place, from.offset());
        long end = consumer.endOffsets(List.of(place)).get(place);
        while (consumer.position(place) < end) {
            for (ConsumerRecord<byte[], byte[]> record : poll(consumer, place)) {
                if (!fold.accept(record)) {
                    return;
                }
            }
        }
    }

    /// A poll waits without a word for brokers that have gone; a question does not.
    private static ConsumerRecords<byte[], byte[]> poll(
            KafkaConsumer<byte[], byte[]> consumer, TopicPartition place) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
        if (records.isEmpty()) {
            consumer.endOffsets(List.of(place));
        }
        return records;
    }

    /// The prompt's record; empty if it has been deleted.
    private Optional<ConsumerRecord<byte[], byte[]>> prompt(
            KafkaConsumer<byte[], byte[]> consumer, int partition, long offset) {
        TopicPartition place = new TopicPartition(Topic.PROMPTS.name(prefix), partition);
        consumer.assign(List.of(place));
        long end = consumer.endOffsets(List.of(place)).get(place);
        if (offset < 0 || offset >= end) {
            return Optional.empty();
        }
        consumer.seek(place, offset);
        while (consumer.position(place) < end) {
            for (ConsumerRecord<byte[], byte[]> record : poll(consumer, place)) {
                return Optional.of(record).filter(found -> found.offset() == offset);
            }
        }
        return Optional.empty();
    }

    private static Optional<PromptSubmitted> parsed(ConsumerRecord<byte[], byte[]> record) {
        try {
            return switch (EventJson.read(record.headers(), record.value(), PromptEvent.class)) {
                case PromptSubmitted prompt -> Optional.of(prompt);
            };
        } catch (UnreadableEventException e) {
            return Optional.empty();
        }
    }
}
