package dev.tokenlog.registry;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.RegistryCommand.PromoteRequested;
import dev.tokenlog.contracts.RegistryCommand.RevokeRequested;
import dev.tokenlog.contracts.RegistryCommand.RollbackRequested;
import dev.tokenlog.contracts.RegistryCommand.UnpublishRequested;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/// Everything that the registry knows about one model, and the rule that decides what is served: a
/// pure fold over [Fact]s.
///
/// A version may be served if it is published, not revoked, and has a passing verdict for exactly
/// its digest or was promoted by force. Of these the latest is current: by itself the registry only
/// ever goes forward. It never falls back to a version that is older than what was last served;
/// that takes a command (promote or rollback), which makes the older version the latest.
///
/// @param versions every digest that was ever named, at most [#VERSION_LIMIT]
/// @param nextSequence for the next publication, promotion or rollback
/// @param floor versions of a smaller sequence are not served by themselves
/// @param served digests that were current, in order; a rollback takes back the end
record ModelHistory(
        String modelId,
        List<KnownVersion> versions,
        long nextSequence,
        long floor,
        List<String> served) {

    /// A model-registry record of so many versions stays far below a megabyte.
    static final int VERSION_LIMIT = 200;

    private static final int SERVED_LIMIT = 50;

    /// A fact that changed nothing because it may not.
    record Refusal(ErrorCode code, String message) {}

    /// @param refusal missing if the fact was accepted
    record Applied(ModelHistory history, Optional<Refusal> refusal) {}

    ModelHistory {
        versions = List.copyOf(versions);
        served = List.copyOf(served);
    }

    static ModelHistory of(String modelId) {
        return new ModelHistory(modelId, List.of(), 1, 0, List.of());
    }

    /// Takes note of one fact. The same history comes back if nothing changed.
    Applied apply(Fact fact) {
        return switch (fact) {
            case Fact.Published published -> accepted(publish(published.manifest()));
            case Fact.Removed _ -> accepted(remove());
            case Fact.Judged judged -> accepted(judge(judged.verdict()));
            case Fact.Commanded commanded -> command(commanded.command());
        };
    }

    /// What stands on `model-registry`; empty (a tombstone) while no version has a manifest and
    /// none was revoked with `STOP`. That is told without a manifest too, unless the model never
    /// was: generations may still run on it, and have to hear that they must not.
    ///
    /// Without a current version the state says why: that of the version that was served last, or
    /// of the latest one if none ever was.
    @JsonIgnore
    Optional<ModelServing> serving() {
        List<KnownVersion> told = told();
        if (told.isEmpty()) {
            return Optional.empty();
        }
        KnownVersion current = current().orElse(null);
        List<ModelServing.Version> all =
                told.stream().map(v -> v.toVersion(stateOf(v, current))).toList();
        return Optional.of(
                new ModelServing(
                        modelId,
                        modelState(current),
                        current == null ? null : current.toVersion(ModelServing.State.SERVING),
                        all));
    }

    private ModelServing.State modelState(KnownVersion current) {
        if (current != null) {
            return ModelServing.State.SERVING;
        }
        KnownVersion latest = told().getLast();
        if (latest.sequence() < floor && !latest.isRevoked()) {
            return ModelServing.State.UNPUBLISHED;
        }
        KnownVersion telling = served.isEmpty() ? latest : find(served.getLast()).orElse(latest);
        return stateOf(telling, null);
    }

    private ModelServing.State stateOf(KnownVersion version, KnownVersion current) {
        if (version.isRevoked()) {
            return ModelServing.State.REVOKED;
        }
        if (version.equals(current)) {
            return ModelServing.State.SERVING;
        }
        return version.isServable() ? ModelServing.State.UNPUBLISHED : ModelServing.State.CANDIDATE;
    }

    private Optional<KnownVersion> current() {
        return versions.stream()
                .filter(KnownVersion::isServable)
                .filter(v -> v.sequence() >= floor)
                .max(Comparator.comparingLong(KnownVersion::sequence));
    }

    private List<KnownVersion> told() {
        return inOrder(v -> v.isPublished() || (v.drain() == Drain.STOP && mayHaveRun(v)));
    }

    /// What was never judged, of a model that never had a manifest, never was: nobody runs it.
    private boolean mayHaveRun(KnownVersion version) {
        return version.verdict() != null || nextSequence > 1;
    }

    private List<KnownVersion> published() {
        return inOrder(KnownVersion::isPublished);
    }

    private List<KnownVersion> inOrder(Predicate<KnownVersion> wanted) {
        return versions.stream()
                .filter(wanted)
                .sorted(Comparator.comparingLong(KnownVersion::sequence))
                .toList();
    }

    /// The same digest from the same conversion is the same publication told twice; from another
    /// conversion it is published anew and becomes the latest.
    private ModelHistory publish(ModelManifest manifest) {
        boolean known =
                find(manifest.modelDigest()).map(v -> manifest.equals(v.manifest())).orElse(false);
        return known
                ? this
                : with(manifest.modelDigest(), v -> v.withManifest(manifest, nextSequence))
                        .advanced()
                        .settled();
    }

    private ModelHistory remove() {
        if (published().isEmpty()) {
            return this;
        }
        List<KnownVersion> kept =
                versions.stream()
                        .map(KnownVersion::withoutManifest)
                        .filter(v -> v.verdict() != null || v.isRevoked())
                        .toList();
        return new ModelHistory(modelId, kept, nextSequence, 0, List.of());
    }

    private ModelHistory judge(ValidationFinished verdict) {
        ValidationFinished known =
                find(verdict.modelDigest()).map(KnownVersion::verdict).orElse(null);
        boolean saysNothingNew = known != null && verdict.verdict() == Verdict.NONE;
        return verdict.equals(known) || saysNothingNew
                ? this
                : with(verdict.modelDigest(), v -> v.withVerdict(verdict)).settled();
    }

    private Applied command(RegistryCommand command) {
        return switch (command) {
            case RevokeRequested revoke -> accepted(revoke(revoke));
            case PromoteRequested promote -> promote(promote);
            case RollbackRequested _ -> rollback();
            case UnpublishRequested _ -> unpublish();
        };
    }

    private Applied promote(PromoteRequested promote) {
        KnownVersion version =
                find(promote.modelDigest()).filter(KnownVersion::isPublished).orElse(null);
        if (version == null) {
            return refused(
                    ErrorCode.MODEL_UNKNOWN,
                    "promotion refused: no manifest of "
                            + modelId
                            + " has the digest "
                            + promote.modelDigest());
        }
        if (version.isRevoked()) {
            return refused(
                    version, ErrorCode.MODEL_REVOKED, "promotion refused: the digest is revoked");
        }
        boolean force = Boolean.TRUE.equals(promote.force());
        if (!force && !version.isServable()) {
            return refused(
                    version,
                    ErrorCode.MODEL_NOT_VALIDATED,
                    "promotion refused: no passing verdict for this digest (force serves it"
                            + " without one)");
        }
        if (current().filter(version::equals).isPresent()) {
            return accepted(this);
        }
        String by =
                force && !version.hasPassed()
                        ? Objects.requireNonNullElse(promote.requestedBy(), "unknown")
                        : version.promotedBy();
        return accepted(
                with(version.digest(), v -> v.withPromotion(by, nextSequence))
                        .advanced()
                        .settled());
    }

    private Applied rollback() {
        String present = served.isEmpty() ? null : served.getLast();
        for (int i = served.size() - 2; i >= 0; i--) {
            String digest = served.get(i);
            boolean servable = find(digest).map(KnownVersion::isServable).orElse(false);
            if (servable && !digest.equals(present)) {
                ModelHistory taken =
                        new ModelHistory(
                                modelId, versions, nextSequence, floor, served.subList(0, i + 1));
                return accepted(
                        taken.with(digest, v -> v.withSequence(nextSequence)).advanced().settled());
            }
        }
        return refused(
                ErrorCode.MODEL_UNKNOWN,
                "rollback refused: " + modelId + " served nothing before that may be served now");
    }

    /// Nothing that is known now is served any more, until something newer passes or a command says
    /// otherwise.
    private Applied unpublish() {
        return published().isEmpty()
                ? refused(ErrorCode.MODEL_UNKNOWN, "no model is registered as " + modelId)
                : accepted(new ModelHistory(modelId, versions, nextSequence, nextSequence, served));
    }

    /// A digest can be revoked before its manifest is seen.
    private ModelHistory revoke(RevokeRequested revoke) {
        String digest = revoke.modelDigest();
        Drain drain = Objects.requireNonNullElse(revoke.drain(), Drain.FINISH);
        KnownVersion known = find(digest).filter(KnownVersion::isRevoked).orElse(null);
        if (known != null && (known.drain() == drain || drain == Drain.FINISH)) {
            return this;
        }
        String reason = Objects.requireNonNullElse(revoke.reason(), "revoked");
        String by = Objects.requireNonNullElse(revoke.requestedBy(), "unknown");
        return with(digest, v -> v.withRevocation(reason, by, drain)).settled();
    }

    private Optional<KnownVersion> find(String digest) {
        return versions.stream().filter(v -> v.digest().equals(digest)).findFirst();
    }

    private ModelHistory with(String digest, UnaryOperator<KnownVersion> change) {
        List<KnownVersion> changed = new ArrayList<>(versions);
        KnownVersion old = find(digest).orElseGet(() -> KnownVersion.of(digest));
        int index = changed.indexOf(old);
        if (index < 0) {
            makeRoom(changed);
            changed.add(change.apply(old));
        } else {
            changed.set(index, change.apply(old));
        }
        return new ModelHistory(modelId, changed, nextSequence, floor, served);
    }

    /// Forgets the oldest version that is neither served nor revoked.
    private void makeRoom(List<KnownVersion> changed) {
        if (changed.size() < VERSION_LIMIT) {
            return;
        }
        KnownVersion current = current().orElse(null);
        changed.stream()
                .filter(v -> !v.equals(current) && !v.isRevoked())
                .min(Comparator.comparingLong(KnownVersion::sequence))
                .or(() -> changed.stream().filter(v -> !v.equals(current)).findFirst())
                .ifPresent(changed::remove);
    }

    private ModelHistory advanced() {
        return new ModelHistory(modelId, versions, nextSequence + 1, floor, served);
    }

    /// Notes what is current now, so that nothing older is served by itself later.
    private ModelHistory settled() {
        KnownVersion current = current().orElse(null);
        if (current == null) {
            return this;
        }
        List<String> noted = new ArrayList<>(served);
        if (noted.isEmpty() || !noted.getLast().equals(current.digest())) {
            noted.add(current.digest());
        }
        if (noted.size() > SERVED_LIMIT) {
            noted.removeFirst();
        }
        return new ModelHistory(modelId, versions, nextSequence, current.sequence(), noted);
    }

    private static Applied accepted(ModelHistory history) {
        return new Applied(history, Optional.empty());
    }

    private Applied refused(ErrorCode code, String message) {
        return new Applied(this, Optional.of(new Refusal(code, message)));
    }

    private Applied refused(KnownVersion version, ErrorCode code, String message) {
        return new Applied(
                with(version.digest(), v -> v.withRefusal(message)),
                Optional.of(new Refusal(code, message)));
    }
}
