package dev.tokenlog.engine.generation;

/// Chooses tokens from logits: see "Sampling" of `docs/numerics.md`.
///
/// With logits `l` sorted descending, `e_i = exp((l_i − l_0)/T)` in double and all sums in this
/// order: top-k keeps the first k; top-p keeps the first m for which `e_0 + … + e_(m-1)` reaches `p
/// · Σ e`; min-p keeps those with `e_i ≥ min_p`; the token is the first whose running sum exceeds
/// `u` times the sum of what is kept.
///
/// Keeps its buffers; not for several threads at once.
final class Sampler {

    /// `exp(-37.5) < 2⁻⁵⁴`: with a sum of at least `e_0 = 1`, adding less than 2⁻⁵³ changes no bit
    /// of it, so candidates below can be left out without being missed.
    private static final double NEGLIGIBLE = 37.5;

    private final int vocabularySize;
    private final Candidates candidates;
    private final double[] sums;
    private float[] penalized;

    Sampler(int vocabularySize) {
        this.vocabularySize = vocabularySize;
        this.candidates = new Candidates(vocabularySize);
        this.sums = new double[vocabularySize];
    }

    /// @param logits are left as they are
    /// @param offset where the row of logits begins
    /// @param seen null if no penalty applies
    /// @param index of the token in its completion
    /// @return the chosen token id
    int sample(
            float[] logits,
            int offset,
            SamplingParameters parameters,
            SeenTokens seen,
            int index,
            int choice) {
        float[] row = logits;
        int start = offset;
        if (seen != null) {
            if (penalized == null) {
                penalized = new float[vocabularySize];
            }
            System.arraycopy(logits, offset, penalized, 0, vocabularySize);
            seen.penalize(penalized, parameters);
            row = penalized;
            start = 0;
        }
        int best = likeliest(row, start);
        if (parameters.temperature() == 0 || parameters.topK() == 1) {
            return best;
        }
        select(row, start, row[start + best], parameters);
        int kept = weigh(parameters);
        double threshold = Philox.uniform(parameters.seed(), index, choice) * sums[kept - 1];
        return candidates.id(firstAbove(threshold, kept));
    }

    private int likeliest(float[] logits, int start) {
        int best = 0;
        for (int id = 1; id < vocabularySize; id++) {
            if (logits[start + id] > logits[start + best]) {
                best = id;
            }
        }
        return best;
    }

    private void select(float[] logits, int start, float highest, SamplingParameters parameters) {
        int topK = parameters.topK();
        if (topK > 0 && topK < vocabularySize) {
            candidates.takeBest(logits, start, vocabularySize, topK);
            return;
        }
        double reach = NEGLIGIBLE;
        if (parameters.topP() == 1 && parameters.minP() > 0) {
            // a little more than min-p keeps, which decides itself
            reach = Math.min(reach, -StrictMath.log(parameters.minP()) + 1e-3);
        }
        double least = highest - reach * parameters.temperature();
        candidates.takeAll(logits, start, vocabularySize, Math.nextDown((float) least));
    }

    /// Fills the running sums and applies top-p and min-p.
    ///
    /// @return how many candidates are kept, at least 1
    private int weigh(SamplingParameters parameters) {
        double temperature = parameters.temperature();
        double first = candidates.logit(0);
        double sum = 0;
        int likely = 0;
        for (int i = 0; i < candidates.size(); i++) {
            double weight = StrictMath.exp((candidates.logit(i) - first) / temperature);
            sum += weight;
            sums[i] = sum;
            if (weight >= parameters.minP()) {
                likely = i + 1;
            }
        }
        int kept = candidates.size();
        if (parameters.topP() < 1) {
            double enough = parameters.topP() * sum;
            kept = 1;
            while (sums[kept - 1] < enough) {
                kept++;
            }
        }
        return Math.max(1, Math.min(kept, likely));
    }

    /// The first candidate whose running sum is above the threshold. There is one: a number below 1
    /// with 53 bits, times the last sum and rounded, stays below the last sum.
    private int firstAbove(double threshold, int kept) {
        int low = 0;
        int high = kept - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (sums[middle] > threshold) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }
}
