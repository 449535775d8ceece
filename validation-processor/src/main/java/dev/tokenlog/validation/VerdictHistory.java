package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import java.util.HashSet;
import java.util.Set;

/// Which validations and replays have ended, by what `accuracy-metrics` holds.
final class VerdictHistory {

    private record Judged(String modelId, String modelDigest, String policy, String numericsId) {}

    private final Set<String> ended = new HashSet<>();
    private final Set<Judged> judged = new HashSet<>();

    void add(AccuracyEvent event) {
        switch (event) {
            case ValidationFinished finished -> {
                ended(finished.validationId());
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
            case ReplayVerified verified -> ended(verified.replayId());
            case ReplayDiverged diverged -> ended(diverged.replayId());
            case ReplayFailed failed -> ended(failed.replayId());
            case CandidateReplayed replayed -> ended(replayed.replayId());
            case AccuracyMeasured _ -> {}
        }
    }

    private void ended(String id) {
        if (id != null) {
            ended.add(id);
        }
    }

    /// Whether this very validation or replay has ended.
    boolean hasEnded(String id) {
        return ended.contains(id);
    }

    /// Whether a digest has been judged under this model id by this policy and arithmetic, by
    /// whatever validation. A verdict counts for the model id that it names, so the same digest
    /// under another id is judged again.
    boolean isJudged(
            String modelId, String modelDigest, ValidationPolicy policy, String numericsId) {
        return judged.contains(new Judged(modelId, modelDigest, policy.name(), numericsId));
    }
}
