package dev.tokenlog.engine.generation;

/// Which tokens a generation has seen, for penalties.
final class SeenTokens {

    private final int[] outputCounts;
    private final boolean[] seen;
    private int[] distinct = new int[64];
    private int size;

    SeenTokens(int vocabularySize) {
        outputCounts = new int[vocabularySize];
        seen = new boolean[vocabularySize];
    }

    /// With the tokens of its prompt; null if the request asks for no penalty.
    static SeenTokens ofPrompt(GenerationRequest request, int vocabularySize) {
        SamplingParameters sampling = request.sampling();
        boolean penalties =
                sampling.repetitionPenalty() != 1
                        || sampling.presencePenalty() != 0
                        || sampling.frequencyPenalty() != 0;
        if (!penalties) {
            return null;
        }
        SeenTokens seen = new SeenTokens(vocabularySize);
        seen.prompt(request.promptIds());
        return seen;
    }

    void prompt(int[] ids) {
        for (int id : ids) {
            see(id);
        }
    }

    void output(int id) {
        see(id);
        outputCounts[id]++;
    }

    private void see(int id) {
        if (!seen[id]) {
            seen[id] = true;
            if (size == distinct.length) {
                distinct = java.util.Arrays.copyOf(distinct, 2 * size);
            }
            distinct[size++] = id;
        }
    }

    /// Penalizes tokens in place: the repetition penalty divides positive and multiplies negative
    /// logits of what stands in prompt or output; the presence penalty is subtracted once and the
    /// frequency penalty per occurrence for what stands in the output. In double, rounded once.
    void penalize(float[] logits, SamplingParameters parameters) {
        double repetition = parameters.repetitionPenalty();
        for (int i = 0; i < size; i++) {
            int id = distinct[i];
            double logit = logits[id];
            logit = logit > 0 ? logit / repetition : logit * repetition;
            if (outputCounts[id] > 0) {
                logit -=
                        parameters.presencePenalty()
                                + parameters.frequencyPenalty() * outputCounts[id];
            }
            logits[id] = (float) logit;
        }
    }
}
