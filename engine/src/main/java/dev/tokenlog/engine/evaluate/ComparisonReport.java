package dev.tokenlog.engine.evaluate;

/// How far a quantized model is from its FP32 baseline, in lock-step over the same tokens.
/// Divergences are Kullback-Leibler from the baseline to the quantized model, in nats.
///
/// Where a model computed something that is no number, `finite` is false, the comparison ended
/// there, and the measures are NaN.
///
/// @param positions tokens predicted
/// @param finite whether every logit of both models was a number
/// @param baselinePerplexityError standard error of the perplexity, from the spread over positions
/// @param divergence99 99th percentile over positions (nearest rank)
/// @param divergence999 99.9th percentile
/// @param top1Agreement share of positions at which both find the same token likeliest
/// @param firstGreedyDivergence leading positions at which both find the same token likeliest, as a
///   mean over documents
public record ComparisonReport(
        int documents,
        long positions,
        boolean finite,
        double baselinePerplexity,
        double baselinePerplexityError,
        double quantizedPerplexity,
        double quantizedPerplexityError,
        double meanDivergence,
        double divergence99,
        double divergence999,
        double maxDivergence,
        double top1Agreement,
        double firstGreedyDivergence,
        String baselineNumericsId,
        String quantizedNumericsId) {

    /// Quantized over baseline: 1 is no loss.
    public double perplexityRatio() {
        return quantizedPerplexity / baselinePerplexity;
    }
}
