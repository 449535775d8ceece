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
    @JsonSubTypes.Type(value = AccuracyEvent.ReplayDiverged.class, name = "ReplayDiverged")
})
public sealed interface AccuracyEvent extends Event {

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

    record ReplayVerified(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            @Required String modelDigest,
            String numericsId,
            int tokens)
            implements AccuracyEvent {}

    record ReplayDiverged(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            @Required String modelDigest,
            String numericsId,
            int firstDifference,
            String message)
            implements AccuracyEvent {}
}
