package dev.tokenlog.client;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/// Reads what is known about models, and asks for more.
final class Models {

    private final Cluster cluster;

    Models(Cluster cluster) {
        this.cluster = cluster;
    }

    List<ModelEntry> list() {
        Map<String, ModelManifest> manifests = new TreeMap<>();
        Map<String, ModelServing> servings = new TreeMap<>();
        cluster.scan(
                List.of(Topic.MODEL_MANIFESTS, Topic.MODEL_REGISTRY),
                record -> {
                    if (record.tombstone()) {
                        Map<String, ?> table =
                                record.topic() == Topic.MODEL_MANIFESTS ? manifests : servings;
                        record.key().ifPresent(table::remove);
                    }
                    record.event(ModelManifest.class)
                            .ifPresent(manifest -> manifests.put(manifest.modelId(), manifest));
                    record.event(ModelServing.class)
                            .ifPresent(serving -> servings.put(serving.modelId(), serving));
                });
        TreeSet<String> ids = new TreeSet<>(manifests.keySet());
        ids.addAll(servings.keySet());
        List<ModelEntry> entries = new ArrayList<>();
        for (String id : ids) {
            entries.add(
                    new ModelEntry(
                            id,
                            Optional.ofNullable(manifests.get(id)),
                            Optional.ofNullable(servings.get(id))));
        }
        return entries;
    }

    CommandHandle command(RegistryCommand command) {
        TopicPartition letters = deadLetters();
        long end = cluster.ends(List.of(letters)).get(letters);
        RecordMetadata sent = cluster.append(Topic.REGISTRY_COMMANDS, command.modelId(), command);
        return new CommandHandle(sent.topic(), sent.partition(), sent.offset(), end);
    }

    Optional<DeadLetter> refusal(CommandHandle command) {
        TopicPartition letters = deadLetters();
        List<DeadLetter> found = new ArrayList<>();
        cluster.scan(
                Map.of(letters, command.deadLettersOffset()),
                cluster.ends(List.of(letters)),
                record ->
                        DeadLetter.of(record.raw().headers())
                                .filter(letter ->
                                        letter.topic().equals(command.topic())
                                                && letter.partition() == command.partition()
                                                && letter.offset() == command.offset())
                                .ifPresent(found::add));
        return found.stream().findFirst();
    }

    private TopicPartition deadLetters() {
        return cluster.all(Topic.DEAD_LETTERS).getFirst();
    }

    EventStream<ModelServing> followServing(String modelId, String modelDigest) {
        return cluster.stream(
                modelId,
                cluster.beginnings(cluster.all(Topic.MODEL_REGISTRY)),
                ModelServing.class,
                entry -> entry.event().modelId().equals(modelId),
                serving ->
                        serving.current() != null
                                && serving.current().modelDigest().equals(modelDigest));
    }

    EventStream<AccuracyEvent> followAccuracy(String modelId, String modelDigest, Instant since) {
        return cluster.stream(
                modelDigest,
                cluster.beginnings(cluster.all(Topic.ACCURACY_METRICS)),
                AccuracyEvent.class,
                entry ->
                        isAbout(entry.event(), modelDigest)
                                && modelId.equals(modelId(entry.event()))
                                && !(saysNothing(entry.event())
                                        && entry.timestamp().isBefore(since)),
                ValidationFinished.class::isInstance);
    }

    private static boolean saysNothing(AccuracyEvent event) {
        return event instanceof ValidationFinished finished && finished.verdict() == Verdict.NONE;
    }

    private static String modelId(AccuracyEvent event) {
        return switch (event) {
            case AccuracyMeasured measured -> measured.modelId();
            case ValidationFinished finished -> finished.modelId();
            case ReplayVerified verified -> verified.modelId();
            case ReplayDiverged diverged -> diverged.modelId();
        };
    }

    static boolean isAbout(AccuracyEvent event, String modelDigest) {
        return modelDigest.equals(
                switch (event) {
                    case AccuracyMeasured measured -> measured.modelDigest();
                    case ValidationFinished finished -> finished.modelDigest();
                    case ReplayVerified verified -> verified.modelDigest();
                    case ReplayDiverged diverged -> diverged.modelDigest();
                });
    }

    /// Follows the validation that it asks for, and no other.
    EventStream<AccuracyEvent> validate(ValidationRequested asked) {
        ValidationRequested request =
                new ValidationRequested(
                        asked.validationId() == null
                                ? UUID.randomUUID().toString()
                                : asked.validationId(),
                        asked.modelId(),
                        asked.modelDigest(),
                        asked.against(),
                        asked.profile(),
                        asked.requestedBy() == null
                                ? cluster.options().requestedBy()
                                : asked.requestedBy());
        EventStream<AccuracyEvent> stream =
                cluster.stream(
                        request.validationId(),
                        cluster.ends(cluster.all(Topic.ACCURACY_METRICS)),
                        AccuracyEvent.class,
                        entry -> isOf(entry.event(), request.validationId()),
                        ValidationFinished.class::isInstance);
        try {
            cluster.append(Topic.VALIDATION_REQUESTS, request.modelId(), request);
        } catch (TokenlogException e) {
            stream.close();
            throw e;
        }
        return stream;
    }

    private static boolean isOf(AccuracyEvent event, String validationId) {
        return switch (event) {
            case AccuracyMeasured measured -> validationId.equals(measured.validationId());
            case ValidationFinished finished -> validationId.equals(finished.validationId());
            case ReplayVerified _, ReplayDiverged _ -> false;
        };
    }
}
