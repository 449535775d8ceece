package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `accuracy-metrics`, key model id: what was measured about a model, and the verdict, kept
/// for ever.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = AccuracyEvent.AccuracyMeasured.class, name = "AccuracyMeasured"),
    @JsonSubTypes.Type(value = AccuracyEvent.ValidationFinished.class, name = "ValidationFinished"),
    @JsonSubTypes.Type(value = AccuracyEvent.ReplayVerified.class, name = "ReplayVerified"),
    @JsonSubTypes.Type(value = AccuracyEvent.ReplayDiverged.class, name = "ReplayDiverged"),
    @JsonSubTypes.Type(value = AccuracyEvent.ReplayFailed.class, name = "ReplayFailed"),
    @JsonSubTypes.Type(value = AccuracyEvent.CandidateReplayed.class, name = "CandidateReplayed")
})
public sealed interface AccuracyEvent extends Event {

    /// The key.
    String modelId();

    /// What it is about; null where a replay failed before that was known.
    String modelDigest();

    enum Verdict {
        PASS,
        FAIL,
        /// Nothing could be measured; not a statement about the model.
        NONE
    }

    /// One check.
    ///
    /// @param check `perplexity_ratio`, `mean_kl_divergence`, `top1_agreement`, `finite`,
    ///   `tensor_relative_error`, …
    /// @param subject the tensor, for checks per tensor
    /// @param value missing: not a finite number
    /// @param threshold what the policy asks for; missing: reported only
    record AccuracyMeasured(
            String validationId,
            @Required String modelId,
            @Required String modelDigest,
            String numericsId,
            @Required String check,
            String subject,
            Double value,
            Double baseline,
            Double threshold,
            Boolean passed,
            String unit)
            implements AccuracyEvent {}

    /// The verdict for exactly one digest and numerics id.
    ///
    /// @param policy the name of the rules that it was judged by, for instance `default-4bit`
    /// @param positions tokens scored
    /// @param code why there is no verdict, for instance `SOURCE_GONE`
    record ValidationFinished(
            String validationId,
            @Required String modelId,
            @Required String modelDigest,
            String numericsId,
            String baselineNumericsId,
            String policy,
            @Required Verdict verdict,
            ErrorCode code,
            String message,
            Integer documents,
            Integer positions,
            Double perplexity,
            Double baselinePerplexity,
            Double meanKlDivergence,
            Double top1Agreement,
            long totalMs,
            String workerId)
            implements AccuracyEvent {}

    /// A past generation was computed again: prompt ids, every valid token and the end are those of
    /// the log.
    ///
    /// @param numericsId of the last attempt; each attempt's tokens were computed under its own
    /// @param compute what computed, in words
    record ReplayVerified(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            @Required String modelDigest,
            String numericsId,
            int tokens,
            String compute,
            Long totalMs)
            implements AccuracyEvent {}

    /// @param firstDifference index of the first token that is another one; the number of tokens if
    ///   they are equal and the end is not; -1 if the prompt's ids differ
    /// @param message what the log holds and what was computed
    record ReplayDiverged(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            @Required String modelDigest,
            String numericsId,
            int firstDifference,
            String message,
            String compute,
            Long totalMs)
            implements AccuracyEvent {}

    /// Nothing could be computed again; not a statement about the generation.
    ///
    /// @param modelDigest missing: the log does not say
    record ReplayFailed(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            String modelDigest,
            @Required ErrorCode code,
            String message)
            implements AccuracyEvent {}

    /// How a candidate's predictions differ from those of the model that made a generation, over
    /// the tokens that the log holds.
    ///
    /// @param modelId the candidate
    /// @param baselineModelId what made the generation
    /// @param tokens positions compared
    /// @param meanKlDivergence from the generation's model to the candidate, nats
    /// @param top1Agreement share of positions at which both find the same token likeliest
    /// @param sameChoices share of positions at which the candidate, with the generation's
    ///   parameters and random numbers, chooses the token that the log holds
    /// @param firstDifference index of the first token that it would not have chosen; missing: none
    /// @param perplexity of the logged tokens under the candidate
    record CandidateReplayed(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            @Required String modelDigest,
            String numericsId,
            String baselineModelId,
            @Required String baselineModelDigest,
            int tokens,
            Double meanKlDivergence,
            Double maxKlDivergence,
            Double top1Agreement,
            Double sameChoices,
            Integer firstDifference,
            Double perplexity,
            Double baselinePerplexity,
            Long totalMs)
            implements AccuracyEvent {}
}
