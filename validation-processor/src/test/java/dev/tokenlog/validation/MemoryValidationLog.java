package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;

/// A log in memory. What is appended is durable at once.
final class MemoryValidationLog implements ValidationLog {

    final List<AccuracyEvent> events = new CopyOnWriteArrayList<>();
    final List<DeadLetter> deadLetters = new CopyOnWriteArrayList<>();
    final List<ModelManifest> manifests = new CopyOnWriteArrayList<>();

    final List<LoggedGeneration> generations = new CopyOnWriteArrayList<>();

    /// So many times flushing fails.
    final AtomicInteger failures = new AtomicInteger();

    @Override
    public VerdictHistory verdicts() {
        VerdictHistory history = new VerdictHistory();
        events.forEach(history::add);
        return history;
    }

    @Override
    public Optional<ModelManifest> manifest(String modelId, String modelDigest) {
        return manifests.reversed().stream()
                .filter(m -> m.modelId().equals(modelId))
                .filter(m -> modelDigest == null || m.modelDigest().equals(modelDigest))
                .findFirst();
    }

    @Override
    public Optional<LoggedGeneration> generation(
            String generationId, Integer partition, Long promptOffset) {
        return generations.stream()
                .filter(g -> g.log().generationId().equals(generationId))
                .filter(g -> partition == null || g.partition() == partition)
                .filter(g -> promptOffset == null || g.log().promptOffset() == promptOffset)
                .findFirst();
    }

    @Override
    public void append(AccuracyEvent event, Headers request) {
        EventJson.write(event);
        events.add(event);
    }

    @Override
    public void deadLetter(
            ConsumerRecord<byte[], byte[]> original, ErrorCode code, String message) {
        deadLetters.add(DeadLetter.of(original, code, message, 1));
    }

    @Override
    public void flush() {
        if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            events.clear();
            throw new UnavailableException("broker away", null);
        }
    }

    <E> List<E> all(Class<E> type) {
        return events.stream().filter(type::isInstance).map(type::cast).toList();
    }
}
