package dev.tokenlog.engine.evaluate;

/// How far a quantized model is from its FP32 baseline, in lock-step over the same tokens.
/// Divergences are Kullback-Leibler from the baseline to the quantized model, in nats.
///
/// @param positions tokens predicted
/// @param finite whether every logit of both models was a number
/// @param baselinePerplexityError standard error of the perplexity, from the spread over positions
/// @param top1Agreement share of positions at which both find the same token likeliest
/// @param firstGreedyDivergence over documents: the mean number of leading positions that agree
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
