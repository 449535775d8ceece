package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import java.util.HashSet;
import java.util.Set;

/// Which validations have ended, by what `accuracy-metrics` holds.
final class VerdictHistory {

    private record Judged(String modelId, String modelDigest, String policy, String numericsId) {}

    private final Set<String> validations = new HashSet<>();
    private final Set<Judged> judged = new HashSet<>();

    void add(AccuracyEvent event) {
        if (event instanceof ValidationFinished finished) {
            if (finished.validationId() != null) {
                validations.add(finished.validationId());
            }
            // No verdict says nothing about the digest: the next occasion may be a better one.
            if (finished.verdict() != Verdict.NONE) {
                judged.add(
                        new Judged(
                                finished.modelId(),
                                finished.modelDigest(),
                                finished.policy(),
                                finished.numericsId()));
            }
        }
    }

    /// Whether this very validation has ended.
    boolean hasEnded(String validationId) {
        return validations.contains(validationId);
    }

    /// Whether a digest has been judged under this model id by this policy and arithmetic, by
    /// whatever validation. A verdict counts for the model id that it names, so the same digest
    /// under another id is judged again.
    boolean isJudged(
            String modelId, String modelDigest, ValidationPolicy policy, String numericsId) {
        return judged.contains(new Judged(modelId, modelDigest, policy.name(), numericsId));
    }
}
