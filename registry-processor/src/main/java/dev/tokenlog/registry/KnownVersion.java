package dev.tokenlog.registry;

import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand.Drain;

/// One digest of a model and everything that was said about it.
///
/// @param sequence rises with every publication, promotion and rollback of the model; 0 while there
///   is no manifest
/// @param manifest missing while only a verdict or a revocation is known
/// @param verdict the last one that states something; one of `NONE` only while there is no other
/// @param promotedBy who promoted it without a passing verdict; missing if nobody did
/// @param revoked why it must not be served any more; missing if it may
/// @param revokedBy who said so
/// @param drain what becomes of the generations that run on it
/// @param refusal why the last command about it was refused; missing if it was not
record KnownVersion(
        String digest,
        long sequence,
        ModelManifest manifest,
        ValidationFinished verdict,
        String promotedBy,
        String revoked,
        String revokedBy,
        Drain drain,
        String refusal) {

    static KnownVersion of(String digest) {
        return new KnownVersion(digest, 0, null, null, null, null, null, null, null);
    }

    KnownVersion withManifest(ModelManifest published, long at) {
        return new KnownVersion(
                digest, at, published, verdict, promotedBy, revoked, revokedBy, drain, null);
    }

    KnownVersion withVerdict(ValidationFinished given) {
        return new KnownVersion(
                digest, sequence, manifest, given, promotedBy, revoked, revokedBy, drain, null);
    }

    KnownVersion withPromotion(String by, long at) {
        return new KnownVersion(digest, at, manifest, verdict, by, revoked, revokedBy, drain, null);
    }

    KnownVersion withSequence(long at) {
        return new KnownVersion(
                digest, at, manifest, verdict, promotedBy, revoked, revokedBy, drain, null);
    }

    KnownVersion withRevocation(String reason, String by, Drain generations) {
        return new KnownVersion(
                digest, sequence, manifest, verdict, null, reason, by, generations, null);
    }

    KnownVersion withRefusal(String reason) {
        return new KnownVersion(
                digest, sequence, manifest, verdict, promotedBy, revoked, revokedBy, drain, reason);
    }

    /// What outlives the removal of the manifest: the verdict and the revocation.
    KnownVersion withoutManifest() {
        return new KnownVersion(digest, 0, null, verdict, null, revoked, revokedBy, drain, null);
    }

    boolean isPublished() {
        return manifest != null;
    }

    boolean isRevoked() {
        return revoked != null;
    }

    boolean hasPassed() {
        return verdict != null && verdict.verdict() == Verdict.PASS;
    }

    /// Whether this digest may answer prompts at all.
    boolean isServable() {
        return isPublished() && !isRevoked() && (hasPassed() || promotedBy != null);
    }

    ModelServing.Version toVersion(ModelServing.State state) {
        return new ModelServing.Version(
                digest,
                state,
                verdict == null ? null : verdict.verdict(),
                verdict == null ? null : verdict.validationId(),
                verdict == null ? null : verdict.numericsId(),
                manifest == null ? null : manifest.location(),
                manifest == null ? null : manifest.manifestSha256(),
                manifest == null ? null : manifest.family(),
                manifest == null ? null : manifest.quantization(),
                manifest == null ? 0 : manifest.bitsPerWeight(),
                manifest == null ? 0 : manifest.bytes(),
                manifest == null ? 0 : manifest.contextLength(),
                reason(),
                revokedBy,
                drain);
    }

    private String reason() {
        if (isRevoked()) {
            return revoked;
        }
        if (refusal != null) {
            return refusal;
        }
        if (promotedBy != null) {
            return "promoted without a passing verdict by " + promotedBy;
        }
        if (verdict == null || verdict.verdict() == Verdict.PASS) {
            return null;
        }
        return verdict.code() == null
                ? verdict.message()
                : verdict.code() + (verdict.message() == null ? "" : ": " + verdict.message());
    }
}
