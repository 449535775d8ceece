package dev.tokenlog.engine.evaluate;

import java.util.Arrays;

/// Sums up, position by position, how two distributions over the vocabulary differ. With logits `b`
/// of the baseline and `q` of the quantized model, `log p = b − log Σ exp(b)` and `log r` likewise
/// from `q`: the divergence is `Σ p · (log p − log r)`. All in double.
final class Divergence {

    private final int vocabulary;
    private final double[] weights;
    private final double[] divergences;
    private final Loss baseline = new Loss();
    private final Loss quantized = new Loss();
    private int positions;
    private long agreements;
    private long leading;
    private boolean together;

    Divergence(int vocabulary, int positions) {
        this.vocabulary = vocabulary;
        this.weights = new double[vocabulary];
        this.divergences = new double[positions];
    }

    void beginDocument() {
        together = true;
    }

    int positions() {
        return positions;
    }

    /// @param qOffset where the position's row begins in `q`, likewise `bOffset`
    /// @param next the token that follows in the text
    void add(float[] q, int qOffset, float[] b, int bOffset, int next) {
        int bestQ = likeliest(q, qOffset);
        int bestB = likeliest(b, bOffset);
        double highestQ = q[qOffset + bestQ];
        double highestB = b[bOffset + bestB];
        double sumQ = 0;
        double sumB = 0;
        for (int i = 0; i < vocabulary; i++) {
            sumQ += Math.exp(q[qOffset + i] - highestQ);
            weights[i] = Math.exp(b[bOffset + i] - highestB);
            sumB += weights[i];
        }
        double normQ = highestQ + Math.log(sumQ);
        double normB = highestB + Math.log(sumB);
        double divergence = 0;
        for (int i = 0; i < vocabulary; i++) {
            divergence += weights[i] * ((b[bOffset + i] - normB) - (q[qOffset + i] - normQ));
        }
        // never negative but by rounding
        divergences[positions++] = Math.max(0, divergence / sumB);
        quantized.add(normQ - q[qOffset + next]);
        baseline.add(normB - b[bOffset + next]);
        together &= bestQ == bestB;
        agreements += bestQ == bestB ? 1 : 0;
        leading += together ? 1 : 0;
    }

    private int likeliest(float[] logits, int offset) {
        int best = 0;
        for (int i = 1; i < vocabulary; i++) {
            if (logits[offset + i] > logits[offset + best]) {
                best = i;
            }
        }
        return best;
    }

    ComparisonReport report(boolean finite, int documents, String baselineId, String quantizedId) {
        double[] sorted = Arrays.copyOf(divergences, positions);
        Arrays.sort(sorted);
        double nothing = Double.NaN;
        return new ComparisonReport(
                documents,
                positions,
                finite,
                finite ? baseline.perplexity(positions) : nothing,
                finite ? baseline.perplexityError(positions) : nothing,
                finite ? quantized.perplexity(positions) : nothing,
                finite ? quantized.perplexityError(positions) : nothing,
                finite ? Arrays.stream(sorted).average().orElse(nothing) : nothing,
                finite ? percentile(sorted, 0.99) : nothing,
                finite ? percentile(sorted, 0.999) : nothing,
                finite ? percentile(sorted, 1) : nothing,
                finite ? (double) agreements / positions : nothing,
                finite ? (double) leading / documents : nothing,
                baselineId,
                quantizedId);
    }

    /// Nearest rank.
    private static double percentile(double[] sorted, double share) {
        return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
    }

    /// Negative log likelihoods of the text under one model.
    private static final class Loss {
        private double sum;
        private double squares;

        void add(double loss) {
            sum += loss;
            squares += loss * loss;
        }

        double perplexity(int positions) {
            return Math.exp(sum / positions);
        }

        /// By the delta method: perplexity times the standard error of the mean loss.
        double perplexityError(int positions) {
            double mean = sum / positions;
            double variance = Math.max(0, squares / positions - mean * mean);
            return perplexity(positions) * Math.sqrt(variance / positions);
        }
    }
}
