package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import java.util.List;

/// What a model must keep to be served without anybody's say-so. The limits are fixed: a model that
/// misses one fails, and nobody widens it to let it pass.
///
/// @param name stands in the verdict
/// @param maxPerplexityRatio quantized over baseline
/// @param maxMeanDivergence mean Kullback-Leibler divergence from the baseline, nats
record ValidationPolicy(String name, double maxPerplexityRatio, double maxMeanDivergence) {

    static final ValidationPolicy BITS_8 = new ValidationPolicy("default-8bit", 1.02, 0.01);
    static final ValidationPolicy BITS_4 = new ValidationPolicy("default-4bit", 1.15, 0.15);

    /// One condition and how it came out.
    ///
    /// @param value not finite where nothing could be measured: such a condition is not met
    record Check(String name, double value, double threshold, String unit, boolean passed) {}

    /// The policy for weights of so many bits: that of 8 bits from 8 on, that of 4 bits below.
    static ValidationPolicy forBits(double bits) {
        return bits >= 8 ? BITS_8 : BITS_4;
    }

    /// In the order in which they are told. All must pass.
    List<Check> check(ComparisonReport report) {
        double ratio = report.perplexityRatio();
        double divergence = report.meanDivergence();
        return List.of(
                new Check("finite", report.finite() ? 1 : 0, 1, "boolean", report.finite()),
                new Check(
                        "perplexity_ratio",
                        ratio,
                        maxPerplexityRatio,
                        "ratio",
                        ratio <= maxPerplexityRatio),
                new Check(
                        "mean_kl_divergence",
                        divergence,
                        maxMeanDivergence,
                        "nats",
                        divergence <= maxMeanDivergence));
    }

    static Verdict verdict(List<Check> checks) {
        return checks.stream().allMatch(Check::passed) ? Verdict.PASS : Verdict.FAIL;
    }
}
