package dev.tokenlog.client;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.ValidationRequest;
import dev.tokenlog.contracts.ValidationRequest.CandidateReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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

    /// Digests that a manifest or the registry names: in the last record of a model, or in an
    /// earlier one that compaction has not taken away yet.
    ///
    /// @throws TokenlogException `FAILED` for a record that this version cannot read: it may name
    ///   one as well
    Set<String> named() {
        Set<String> digests = new TreeSet<>();
        cluster.scan(
                List.of(Topic.MODEL_MANIFESTS, Topic.MODEL_REGISTRY),
                record -> {
                    if (!record.tombstone() && record.event().isEmpty()) {
                        throw new TokenlogException(
                                TokenlogException.Kind.FAILED,
                                "%s, partition %d, offset %d: this version cannot read the record, and so not tell which models are named"
                                        .formatted(
                                                record.raw().topic(),
                                                record.partition(),
                                                record.offset()));
                    }
                    record.event(ModelManifest.class)
                            .ifPresent(manifest -> digests.add(manifest.modelDigest()));
                    record.event(ModelServing.class)
                            .map(ModelServing::versions)
                            .ifPresent(versions ->
                                    versions.forEach(v -> digests.add(v.modelDigest())));
                    record.event(ModelServing.class)
                            .map(ModelServing::current)
                            .ifPresent(current -> digests.add(current.modelDigest()));
                });
        return digests;
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
                                && modelId.equals(entry.event().modelId())
                                && !(saysNothing(entry.event())
                                        && entry.timestamp().isBefore(since)),
                ValidationFinished.class::isInstance);
    }

    private static boolean saysNothing(AccuracyEvent event) {
        return event instanceof ValidationFinished finished && finished.verdict() == Verdict.NONE;
    }

    static boolean isAbout(AccuracyEvent event, String modelDigest) {
        return modelDigest.equals(event.modelDigest());
    }

    /// Follows the validation that it asks for, and no other.
    EventStream<AccuracyEvent> validate(ValidationRequested asked) {
        ValidationRequested request =
                new ValidationRequested(
                        chosenOrNew(asked.validationId()),
                        asked.modelId(),
                        asked.modelDigest(),
                        asked.against(),
                        asked.profile(),
                        requestedBy(asked.requestedBy()));
        return ask(request.validationId(), request.modelId(), request);
    }

    /// Follows the replay that it asks for, to its one answer.
    EventStream<AccuracyEvent> replay(ReplayRequested asked) {
        ReplayRequested request =
                new ReplayRequested(
                        chosenOrNew(asked.replayId()),
                        asked.modelId(),
                        asked.generationId(),
                        asked.partition(),
                        asked.promptOffset(),
                        requestedBy(asked.requestedBy()),
                        asked.compute(),
                        asked.threads());
        return ask(request.replayId(), request.modelId(), request);
    }

    EventStream<AccuracyEvent> replay(CandidateReplayRequested asked) {
        CandidateReplayRequested request =
                new CandidateReplayRequested(
                        chosenOrNew(asked.replayId()),
                        asked.modelId(),
                        asked.modelDigest(),
                        asked.generationId(),
                        asked.partition(),
                        asked.promptOffset(),
                        requestedBy(asked.requestedBy()));
        return ask(request.replayId(), request.modelId(), request);
    }

    private static String chosenOrNew(String id) {
        return id == null ? UUID.randomUUID().toString() : id;
    }

    private String requestedBy(String named) {
        return named == null ? cluster.options().requestedBy() : named;
    }

    private EventStream<AccuracyEvent> ask(String id, String key, ValidationRequest request) {
        EventStream<AccuracyEvent> stream =
                cluster.stream(
                        id,
                        cluster.ends(cluster.all(Topic.ACCURACY_METRICS)),
                        AccuracyEvent.class,
                        entry -> isOf(entry.event(), id),
                        last -> !(last instanceof AccuracyMeasured));
        try {
            cluster.append(Topic.VALIDATION_REQUESTS, key, request);
        } catch (TokenlogException e) {
            stream.close();
            throw e;
        }
        return stream;
    }

    private static boolean isOf(AccuracyEvent event, String id) {
        return id.equals(
                switch (event) {
                    case AccuracyMeasured measured -> measured.validationId();
                    case ValidationFinished finished -> finished.validationId();
                    case ReplayVerified verified -> verified.replayId();
                    case ReplayDiverged diverged -> diverged.replayId();
                    case ReplayFailed failed -> failed.replayId();
                    case CandidateReplayed replayed -> replayed.replayId();
                });
    }
}
