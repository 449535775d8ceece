package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;

/// Natural logarithms of the model's own distribution: before penalties, temperature and limits.
final class LogProbabilities {

    private final int vocabularySize;
    private final Candidates candidates;

    LogProbabilities(int vocabularySize) {
        this.vocabularySize = vocabularySize;
        this.candidates = new Candidates(vocabularySize);
    }

    /// @param alternatives how many of the likeliest tokens to tell as well
    TokenLogProbability of(float[] logits, int offset, int token, int alternatives) {
        double normalizer = logSumExp(logits, offset, vocabularySize);
        int count = Math.min(alternatives, vocabularySize);
        int[] ids = new int[count];
        double[] logprobs = new double[count];
        if (count > 0) {
            candidates.takeBest(logits, offset, vocabularySize, count);
        }
        for (int i = 0; i < count; i++) {
            ids[i] = candidates.id(i);
            logprobs[i] = candidates.logit(i) - normalizer;
        }
        return new TokenLogProbability(logits[offset + token] - normalizer, ids, logprobs);
    }

    /// `log Σ exp(l)`, in double, by ascending id.
    static double logSumExp(float[] logits, int offset, int count) {
        float highest = Float.NEGATIVE_INFINITY;
        for (int i = offset; i < offset + count; i++) {
            highest = Math.max(highest, logits[i]);
        }
        double sum = 0;
        for (int i = offset; i < offset + count; i++) {
            sum += StrictMath.exp((double) logits[i] - highest);
        }
        return highest + StrictMath.log(sum);
    }
}
