package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.ModelServing.State;
import dev.tokenlog.contracts.ModelServing.Version;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import java.util.Optional;
import java.util.function.Consumer;

/// Decides which digest answers a prompt, by what the registry says.
final class ModelGate {

    sealed interface Choice {
        /// For the start; null where none is served.
        String modelDigest();
    }

    /// @param location the artifact's folder, null if the registry does not know it any more
    record Admitted(String modelId, String modelDigest, String location) implements Choice {}

    record Refused(Refusal refusal, String modelDigest) implements Choice {}

    private final ModelCatalogue models;

    ModelGate(ModelCatalogue models) {
        this.models = models;
    }

    /// A generation that has begun keeps the digest it began with, whatever is served now; one that
    /// was refused at its start stays refused.
    void choose(Prompt prompt, GenerationLog log, Consumer<Choice> done) {
        Optional<GenerationStarted> started = log.started();
        if (started.isPresent() && started.get().modelDigest() != null) {
            done.accept(resumed(started.get()));
            return;
        }
        String modelId = prompt.parsed().modelId();
        Choice now = current(modelId);
        if (now instanceof Admitted && started.isEmpty()) {
            done.accept(now);
            return;
        }
        // No refusal on an old view.
        models.whenCurrent(() -> {
            Choice decided = current(modelId);
            boolean refusedBefore = started.isPresent() && decided instanceof Admitted;
            done.accept(
                    refusedBefore
                            ? new Refused(
                                    new Refusal(
                                            ErrorCode.MODEL_UNKNOWN,
                                            modelId + " was not served when this began"),
                                    null)
                            : decided);
        });
    }

    private Choice current(String modelId) {
        Optional<ModelServing> found = models.find(modelId);
        if (found.isEmpty()) {
            return refused(ErrorCode.MODEL_UNKNOWN, modelId + " is not in the registry");
        }
        ModelServing model = found.get();
        return switch (model.state()) {
            case SERVING ->
                    model.current() == null
                            ? refused(
                                    ErrorCode.MODEL_NOT_VALIDATED,
                                    modelId + " has no version that may be served")
                            : new Admitted(
                                    modelId,
                                    model.current().modelDigest(),
                                    model.current().location());
            case CANDIDATE ->
                    refused(
                            ErrorCode.MODEL_NOT_VALIDATED,
                            modelId + " has neither a passing verdict nor a promotion");
            case REVOKED -> refused(ErrorCode.MODEL_REVOKED, modelId + " was revoked");
            case UNPUBLISHED -> refused(ErrorCode.MODEL_UNKNOWN, modelId + " was unpublished");
        };
    }

    private Choice resumed(GenerationStarted started) {
        return new Admitted(
                started.modelId(),
                started.modelDigest(),
                version(started.modelId(), started.modelDigest())
                        .map(Version::location)
                        .orElse(null));
    }

    /// Why what runs on this model has to end now: its digest was revoked, and whoever did it wants
    /// no generation to go on.
    Optional<Refusal> stopped(Choice choice) {
        return choice instanceof Admitted model
                ? version(model.modelId(), model.modelDigest())
                        .filter(v -> v.state() == State.REVOKED && v.drain() == Drain.STOP)
                        .map(v ->
                                new Refusal(
                                        ErrorCode.MODEL_REVOKED,
                                        "%s was revoked by %s: %s"
                                                .formatted(
                                                        v.modelDigest(),
                                                        v.revokedBy(),
                                                        v.reason())))
                : Optional.empty();
    }

    private Optional<Version> version(String modelId, String digest) {
        return models.find(modelId).flatMap(model -> find(model, digest));
    }

    private static Optional<Version> find(ModelServing model, String digest) {
        if (model.current() != null && digest.equals(model.current().modelDigest())) {
            return Optional.of(model.current());
        }
        return model.versions() == null
                ? Optional.empty()
                : model.versions().stream().filter(v -> digest.equals(v.modelDigest())).findFirst();
    }

    private static Choice refused(ErrorCode code, String message) {
        return new Refused(new Refusal(code, message), null);
    }
}
