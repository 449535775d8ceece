package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import java.util.HashSet;
import java.util.Set;

/// Which validations have ended, by what `accuracy-metrics` holds.
final class VerdictHistory {

    private record Judged(String modelDigest, String policy, String numericsId) {}

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
                                finished.modelDigest(), finished.policy(), finished.numericsId()));
            }
        }
    }

    /// Whether this very validation has ended.
    boolean hasEnded(String validationId) {
        return validations.contains(validationId);
    }

    /// Whether a digest has been judged by this policy under this arithmetic, by whatever
    /// validation.
    boolean isJudged(String modelDigest, ValidationPolicy policy, String numericsId) {
        return judged.contains(new Judged(modelDigest, policy.name(), numericsId));
    }
}
