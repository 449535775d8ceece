package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.ElementaryFunction;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.Workspace;
import java.util.Arrays;

/// Which experts of a mixture compute the tokens of a pass, and with what weight each of them adds
/// to a token (`docs/numerics.md`, "Mixture of experts").
///
/// With the logits `l` of a token's router: the chosen are the `k` largest, of equals those with
/// the smaller index. `e_i = exp(l_i − max l)`; the weight of a chosen expert is `e_i / Σ e_j`,
/// over the chosen where weights are normalized, otherwise over all experts, added in ascending
/// order of their index from +0. So a token's choice and weights depend on its own logits only.
///
/// Used in three steps: [#begin], [#choose] for each token (different tokens at the same time),
/// [#group]; then tokens are listed by expert, in ascending order.
final class ExpertRouting {

    private final float[] logits;
    private final int[] chosenExperts;
    private final float[] chosenWeights;
    private final int[] starts;
    private final int[] groupedTokens;
    private final float[] groupedWeights;
    private int tokens;
    private int experts;
    private int chosen;

    /// @param maxExperts of any layer, likewise `maxChosen`
    ExpertRouting(int maxTokens, int maxExperts, int maxChosen) {
        int choices = Math.multiplyExact(maxTokens, maxChosen);
        this.logits = new float[Math.multiplyExact(maxTokens, maxExperts)];
        this.chosenExperts = new int[choices];
        this.chosenWeights = new float[choices];
        this.groupedTokens = new int[choices];
        this.groupedWeights = new float[choices];
        this.starts = new int[maxExperts + 2];
    }

    /// Sets the shape of a layer's routing; forgets what was there.
    void begin(int newTokens, int newExperts, int newChosen) {
        tokens = newTokens;
        experts = newExperts;
        chosen = newChosen;
    }

    /// Where the router puts its logits: those of token `t` begin at `t * experts`.
    float[] logits() {
        return logits;
    }

    /// Chooses the experts of one token and overwrites its logits.
    ///
    /// @return false if there is a logit that is no number: the choice then means nothing
    boolean choose(int token, boolean normalized, Kernels kernels, Workspace workspace) {
        int from = token * experts;
        boolean finite = kernels.isFinite(logits, from, experts);
        if (!finite) {
            Arrays.fill(logits, from, from + experts, 0f);
        }
        int row = token * chosen;
        choose(from, row);
        float maximum = logits[from];
        for (int i = 1; i < experts; i++) {
            maximum = Math.max(maximum, logits[from + i]);
        }
        for (int i = from; i < from + experts; i++) {
            logits[i] = logits[i] - maximum;
        }
        kernels.apply(ElementaryFunction.EXP, logits, from, from + experts, workspace);
        float sum = normalized ? sumOfChosen(from, row) : sumOfAll(from);
        for (int i = row; i < row + chosen; i++) {
            chosenWeights[i] = logits[from + chosenExperts[i]] / sum;
        }
        return finite;
    }

    /// Finds the largest logits one by one, keeping the experts in ascending order. A logit comes
    /// after another one if it is smaller, or equal with a larger index.
    private void choose(int from, int row) {
        float lastLogit = Float.POSITIVE_INFINITY;
        int lastExpert = -1;
        for (int count = 0; count < chosen; count++) {
            int best = -1;
            for (int i = 0; i < experts; i++) {
                float logit = logits[from + i];
                boolean left = logit < lastLogit || (logit == lastLogit && i > lastExpert);
                if (left && (best < 0 || logit > logits[from + best])) {
                    best = i;
                }
            }
            lastLogit = logits[from + best];
            lastExpert = best;
            int place = row + count;
            while (place > row && chosenExperts[place - 1] > best) {
                chosenExperts[place] = chosenExperts[place - 1];
                place--;
            }
            chosenExperts[place] = best;
        }
    }

    private float sumOfChosen(int from, int row) {
        float sum = 0f;
        for (int i = row; i < row + chosen; i++) {
            sum = sum + logits[from + chosenExperts[i]];
        }
        return sum;
    }

    private float sumOfAll(int from) {
        float sum = 0f;
        for (int i = from; i < from + experts; i++) {
            sum = sum + logits[i];
        }
        return sum;
    }

    /// Lists the tokens by expert.
    void group() {
        Arrays.fill(starts, 0, experts + 2, 0);
        for (int i = 0; i < tokens * chosen; i++) {
            starts[chosenExperts[i] + 2]++;
        }
        for (int expert = 0; expert < experts; expert++) {
            starts[expert + 2] += starts[expert + 1];
        }
        for (int i = 0; i < tokens * chosen; i++) {
            int place = starts[chosenExperts[i] + 1]++;
            groupedTokens[place] = i / chosen;
            groupedWeights[place] = chosenWeights[i];
        }
    }

    /// Tokens that chose an expert.
    int tokens(int expert) {
        return starts[expert + 1] - starts[expert];
    }

    /// Token number `index` of an expert, in ascending order.
    int token(int expert, int index) {
        return groupedTokens[starts[expert] + index];
    }

    /// The weight of the expert for its token number `index`.
    float weight(int expert, int index) {
        return groupedWeights[starts[expert] + index];
    }
}
