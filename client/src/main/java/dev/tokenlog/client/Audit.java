package dev.tokenlog.client;

import dev.tokenlog.client.Timeline.Entry;
import dev.tokenlog.client.Timeline.Subject;
import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.ControlEvent;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.ValidationRequest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/// Collects what the log holds about an id.
///
/// Two passes: one over the topics of generations, which gives the model digest, and one over those
/// of models, which starts from a digest, a model id or a conversion id and takes in what is linked
/// to them.
final class Audit {

    private static final List<Topic> OF_GENERATIONS =
            List.of(Topic.PROMPTS, Topic.GENERATION_CONTROLS, Topic.TOKENS, Topic.DEAD_LETTERS);

    private static final List<Topic> OF_MODELS =
            List.of(
                    Topic.CONVERSION_REQUESTS,
                    Topic.CONVERSION_EVENTS,
                    Topic.MODEL_MANIFESTS,
                    Topic.VALIDATION_REQUESTS,
                    Topic.ACCURACY_METRICS,
                    Topic.REGISTRY_COMMANDS,
                    Topic.MODEL_REGISTRY);

    private final Cluster cluster;

    Audit(Cluster cluster) {
        this.cluster = cluster;
    }

    Optional<Timeline> timeline(String id) {
        GenerationPass generation = new GenerationPass(id);
        cluster.scan(OF_GENERATIONS, generation::visit);
        List<Entry> entries = new ArrayList<>(generation.entries);

        ModelLinks links = new ModelLinks();
        if (entries.isEmpty()) {
            links.modelIds.add(id);
            links.conversionIds.add(id);
            links.digests.add(id);
        } else {
            links.digests.addAll(generation.digests);
        }
        List<LogRecord> models = new ArrayList<>();
        cluster.scan(OF_MODELS, models::add);
        links.close(models);
        boolean conversion = false;
        for (LogRecord record : models) {
            if (links.concerns(record)) {
                entries.add(entry(record, ""));
                conversion |= isOfConversion(record, id);
            }
        }
        if (entries.isEmpty()) {
            return Optional.empty();
        }
        Subject subject =
                !generation.entries.isEmpty()
                        ? Subject.GENERATION
                        : conversion ? Subject.CONVERSION : Subject.MODEL;
        entries.sort(
                Comparator.comparing(Entry::timestamp)
                        .thenComparing(Entry::topic)
                        .thenComparing(Entry::partition)
                        .thenComparing(Entry::offset));
        return Optional.of(new Timeline(id, subject, digest(entries), List.copyOf(entries)));
    }

    /// The digest that the last valid event with one names.
    private static Optional<String> digest(List<Entry> entries) {
        return entries.reversed().stream()
                .filter(entry -> entry.note().isEmpty())
                .flatMap(entry -> entry.event().stream())
                .map(event ->
                        switch (event) {
                            case GenerationStarted started -> started.modelDigest();
                            case ModelManifest manifest -> manifest.modelDigest();
                            case ArtifactWritten written -> written.modelDigest();
                            default -> null;
                        })
                .filter(Objects::nonNull)
                .findFirst();
    }

    private static boolean isOfConversion(LogRecord record, String id) {
        return switch (record.event().orElse(null)) {
            case ConversionEvent event -> event.conversionId().equals(id);
            case ConversionRequest request -> request.conversionId().equals(id);
            case null, default -> false;
        };
    }

    private static Entry entry(LogRecord record, String note) {
        return new Entry(
                record.topic(),
                record.partition(),
                record.offset(),
                record.timestamp(),
                record.key().orElse(null),
                record.event(),
                note);
    }

    /// What concerns one generation.
    private static final class GenerationPass {
        private final String id;
        private final List<Entry> entries = new ArrayList<>();
        private final Set<String> digests = new HashSet<>();

        /// One log per identity: partition and prompt offset.
        private final Map<List<Long>, GenerationLog> logs = new HashMap<>();

        GenerationPass(String id) {
            this.id = id;
        }

        void visit(LogRecord record) {
            switch (record.topic()) {
                case PROMPTS -> {
                    if (Generations.isPrompt(record, id)) {
                        entries.add(entry(record, ""));
                    }
                }
                case GENERATION_CONTROLS ->
                        record.event(ControlEvent.class)
                                .filter(event -> event.generationId().equals(id))
                                .ifPresent(_ -> entries.add(entry(record, "")));
                case TOKENS ->
                        record.event(TokenEvent.class)
                                .filter(event -> event.generationId().equals(id))
                                .ifPresent(event -> visitToken(record, event));
                case DEAD_LETTERS -> visitDeadLetter(record);
                case CONVERSION_REQUESTS,
                        CONVERSION_EVENTS,
                        MODEL_MANIFESTS,
                        VALIDATION_REQUESTS,
                        ACCURACY_METRICS,
                        REGISTRY_COMMANDS,
                        MODEL_REGISTRY,
                        USAGE,
                        WORKER_EVENTS -> {}
            }
        }

        private void visitToken(LogRecord record, TokenEvent event) {
            GenerationLog log =
                    logs.computeIfAbsent(
                            List.of((long) record.partition(), event.promptOffset()),
                            _ -> new GenerationLog(id, event.promptOffset()));
            Applied applied = log.apply(record.offset(), event);
            entries.add(
                    entry(
                            record,
                            applied instanceof Applied.Void(var reason) ? "void: " + reason : ""));
            log.started().map(GenerationStarted::modelDigest).ifPresent(digests::add);
        }

        private void visitDeadLetter(LogRecord record) {
            DeadLetter.of(record.raw().headers())
                    .filter(letter -> letter.topic().endsWith(Topic.PROMPTS.baseName()))
                    .filter(letter ->
                            Generations.isPrompt(
                                    record.raw().value(), letter.partition(), letter.offset(), id))
                    .ifPresent(letter ->
                            entries.add(entry(record, letter.reason() + ": " + letter.message())));
        }
    }

    /// The ids that belong together: a conversion makes a digest, a digest is registered under a
    /// model id.
    private static final class ModelLinks {
        private final Set<String> modelIds = new HashSet<>();
        private final Set<String> conversionIds = new HashSet<>();
        private final Set<String> digests = new HashSet<>();

        /// Takes in what is linked, until nothing new is found.
        void close(List<LogRecord> records) {
            int before = -1;
            while (before != size()) {
                before = size();
                records.forEach(record -> record.event().ifPresent(this::link));
            }
        }

        private int size() {
            return conversionIds.size() + digests.size();
        }

        private void link(Event event) {
            switch (event) {
                case ArtifactWritten written -> {
                    if (conversionIds.contains(written.conversionId())) {
                        digests.add(written.modelDigest());
                    } else if (digests.contains(written.modelDigest())) {
                        conversionIds.add(written.conversionId());
                    }
                }
                case ConversionRequested requested -> {
                    if (requested.modelId() != null && modelIds.contains(requested.modelId())) {
                        conversionIds.add(requested.conversionId());
                    }
                }
                case ConversionAccepted accepted -> {
                    if (accepted.modelId() != null && modelIds.contains(accepted.modelId())) {
                        conversionIds.add(accepted.conversionId());
                    }
                }
                case ModelManifest manifest -> {
                    if (modelIds.contains(manifest.modelId())) {
                        digests.add(manifest.modelDigest());
                    }
                    if (digests.contains(manifest.modelDigest())
                            && manifest.conversionId() != null) {
                        conversionIds.add(manifest.conversionId());
                    }
                }
                default -> {}
            }
        }

        boolean concerns(LogRecord record) {
            return record.event().map(this::concerns).orElseGet(() -> isTombstone(record));
        }

        private boolean isTombstone(LogRecord record) {
            return record.tombstone() && record.key().filter(modelIds::contains).isPresent();
        }

        private boolean concerns(Event event) {
            return switch (event) {
                case ConversionRequest request -> conversionIds.contains(request.conversionId());
                case ConversionEvent conversion ->
                        conversionIds.contains(conversion.conversionId());
                case ModelManifest manifest -> digests.contains(manifest.modelDigest());
                case AccuracyEvent accuracy ->
                        digests.stream().anyMatch(digest -> Models.isAbout(accuracy, digest));
                case ModelServing serving ->
                        modelIds.contains(serving.modelId())
                                || serving.versions() != null
                                        && serving.versions().stream()
                                                .anyMatch(v -> digests.contains(v.modelDigest()));
                case RegistryCommand.PromoteRequested promote ->
                        modelIds.contains(promote.modelId())
                                || digests.contains(promote.modelDigest());
                case RegistryCommand.RevokeRequested revoke ->
                        modelIds.contains(revoke.modelId())
                                || digests.contains(revoke.modelDigest());
                case RegistryCommand command -> modelIds.contains(command.modelId());
                case ValidationRequest.ValidationRequested validation ->
                        modelIds.contains(validation.modelId())
                                || validation.modelDigest() != null
                                        && digests.contains(validation.modelDigest());
                case ValidationRequest.CandidateReplayRequested replay ->
                        modelIds.contains(replay.modelId())
                                || replay.modelDigest() != null
                                        && digests.contains(replay.modelDigest());
                default -> false;
            };
        }
    }
}
