package dev.tokenlog.engine.architecture;

import java.util.List;

/// What a model computes, as data: everything that the forward pass needs to know beside the
/// weights. Built from a `config.json` by [ModelPlans]; there is no class per family.
///
/// The plan is part of the model digest. What a family does without is 0, false, null or an empty
/// list, which the digest leaves out: a new field changes no model that does not use it.
///
/// @param family the `model_type` of the configuration, for people
/// @param contextLength positions that the model was made for
/// @param embeddingScale multiplies embeddings; 1 where the family has none
/// @param layers in order
/// @param rotary of the layers that do not name another one
/// @param finalNormEpsilon of the last norm
/// @param tiedEmbeddings the head is the embedding matrix; `headTensor` then names the embedding
/// @param otherRotaries what [Attention#rotary] of some layers refers to
/// @param unitOffsetNorms whether norms multiply by 1 + w, where w is what the file holds
/// @param residualMultiplier multiplies what attention and feed-forward add to the residual stream;
///   0: nothing does
/// @param logitMultiplier multiplies logits; 0: nothing does
/// @param logitSoftCap `c`: logits become `c · tanh(logit / c)`; 0: none
public record ModelPlan(
        String family,
        int vocabularySize,
        int hiddenSize,
        int contextLength,
        float embeddingScale,
        List<LayerPlan> layers,
        Rotary rotary,
        float finalNormEpsilon,
        boolean tiedEmbeddings,
        String embeddingTensor,
        String finalNormTensor,
        String headTensor,
        List<Rotary> otherRotaries,
        boolean unitOffsetNorms,
        float residualMultiplier,
        float logitMultiplier,
        float logitSoftCap) {

    public ModelPlan {
        layers = List.copyOf(layers);
        otherRotaries = List.copyOf(otherRotaries);
    }

    /// A plan with one rotary and none of the multipliers, offsets and caps.
    public ModelPlan(
            String family,
            int vocabularySize,
            int hiddenSize,
            int contextLength,
            float embeddingScale,
            List<LayerPlan> layers,
            Rotary rotary,
            float finalNormEpsilon,
            boolean tiedEmbeddings,
            String embeddingTensor,
            String finalNormTensor,
            String headTensor) {
        this(
                family,
                vocabularySize,
                hiddenSize,
                contextLength,
                embeddingScale,
                layers,
                rotary,
                finalNormEpsilon,
                tiedEmbeddings,
                embeddingTensor,
                finalNormTensor,
                headTensor,
                List.of(),
                false,
                0,
                0,
                0);
    }

    /// The same with a head of its own, in place of the embedding.
    public ModelPlan untied(String head) {
        return tiedEmbeddings
                ? new ModelPlan(
                        family,
                        vocabularySize,
                        hiddenSize,
                        contextLength,
                        embeddingScale,
                        layers,
                        rotary,
                        finalNormEpsilon,
                        false,
                        embeddingTensor,
                        finalNormTensor,
                        head,
                        otherRotaries,
                        unitOffsetNorms,
                        residualMultiplier,
                        logitMultiplier,
                        logitSoftCap)
                : this;
    }

    /// One decoder layer: norm, attention, norm of its output, residual; norm, gated feed-forward,
    /// norm of its output, residual. A norm whose name is null is not there.
    ///
    /// @param inputNormTensor before attention
    /// @param postAttentionNormTensor before the feed-forward network, after attention's residual
    /// @param attentionOutputNormTensor of what attention adds to the residual stream
    /// @param feedForwardOutputNormTensor of what the feed-forward network adds to it
    /// @param normEpsilon of all norms of the layer, those of queries and keys included
    public record LayerPlan(
            Attention attention,
            FeedForward feedForward,
            String inputNormTensor,
            String postAttentionNormTensor,
            float normEpsilon,
            String attentionOutputNormTensor,
            String feedForwardOutputNormTensor) {

        /// A layer with norms before attention and feed-forward only.
        public LayerPlan(
                Attention attention,
                FeedForward feedForward,
                String inputNormTensor,
                String postAttentionNormTensor,
                float normEpsilon) {
            this(
                    attention,
                    feedForward,
                    inputNormTensor,
                    postAttentionNormTensor,
                    normEpsilon,
                    null,
                    null);
        }
    }

    /// Query, key and value may be rows of one tensor, in this order: then all three names are the
    /// same.
    ///
    /// @param scale multiplies scores: usually `1 / sqrt(headSize)`
    /// @param window positions that a token sees, itself included; 0: all
    /// @param queryKeyValueBias whether query, key and value have biases (`name.bias` beside
    ///   `name.weight`)
    /// @param outputBias whether the output has one
    /// @param softCap `c`: scores become `c · tanh(score / c)`; 0: none
    /// @param rotary 0: the model's; n: number n of its other rotaries; [#NO_ROTARY]: positions are
    ///   not rotated
    /// @param queryNormTensor norm of the queries before they are rotated; null: none
    /// @param keyNormTensor norm of the keys, likewise
    /// @param wholeProjectionNorms whether these norms run over all heads together; otherwise each
    ///   head has its own, with the same weights
    public record Attention(
            int heads,
            int keyValueHeads,
            int headSize,
            float scale,
            int window,
            boolean queryKeyValueBias,
            boolean outputBias,
            String queryTensor,
            String keyTensor,
            String valueTensor,
            String outputTensor,
            float softCap,
            int rotary,
            String queryNormTensor,
            String keyNormTensor,
            boolean wholeProjectionNorms) {

        public static final int NO_ROTARY = -1;

        /// Attention with the model's rotary and without caps and norms.
        public Attention(
                int heads,
                int keyValueHeads,
                int headSize,
                float scale,
                int window,
                boolean queryKeyValueBias,
                boolean outputBias,
                String queryTensor,
                String keyTensor,
                String valueTensor,
                String outputTensor) {
            this(
                    heads,
                    keyValueHeads,
                    headSize,
                    scale,
                    window,
                    queryKeyValueBias,
                    outputBias,
                    queryTensor,
                    keyTensor,
                    valueTensor,
                    outputTensor,
                    0,
                    0,
                    null,
                    null,
                    false);
        }

        /// Elements of all queries of a token, and of all keys or values.
        public int queryWidth() {
            return heads * headSize;
        }

        public int keyValueWidth() {
            return keyValueHeads * headSize;
        }

        /// Whether query, key and value are rows of one tensor.
        public boolean fused() {
            return queryTensor.equals(keyTensor);
        }
    }

    /// Gate and up may be rows of one tensor, in this order: then both names are the same.
    ///
    /// @param mixture null: one network for every token; otherwise experts, whose names of tensors
    ///   contain `{expert}` and whose size is `intermediateSize`
    public record FeedForward(
            int intermediateSize,
            Activation activation,
            boolean bias,
            String gateTensor,
            String upTensor,
            String downTensor,
            Mixture mixture) {

        /// One network for every token.
        public FeedForward(
                int intermediateSize,
                Activation activation,
                boolean bias,
                String gateTensor,
                String upTensor,
                String downTensor) {
            this(intermediateSize, activation, bias, gateTensor, upTensor, downTensor, null);
        }

        /// Whether gate and up are rows of one tensor.
        public boolean fused() {
            return gateTensor.equals(upTensor);
        }

        /// The network of one expert of a mixture.
        public FeedForward expert(int number) {
            String expert = Integer.toString(number);
            return new FeedForward(
                    intermediateSize,
                    activation,
                    bias,
                    gateTensor.replace("{expert}", expert),
                    upTensor.replace("{expert}", expert),
                    downTensor.replace("{expert}", expert));
        }
    }

    /// Mixture of experts: for each token, a router chooses a few of many networks, whose results
    /// are added with weights that are the softmax of the router's logits.
    ///
    /// @param experts to choose from
    /// @param chosen per token
    /// @param normalized whether the weights of the chosen are divided by their sum
    /// @param routerTensor `[experts, hiddenSize]`, kept in float by every recipe
    public record Mixture(int experts, int chosen, boolean normalized, String routerTensor) {}

    public enum Activation {
        SILU,
        GELU_TANH
    }

    /// Rotary positions: one inverse frequency per pair, in double, after whatever scaling the
    /// configuration asks for, computed with `StrictMath`. Pair `i` of a head is elements `i` and
    /// `i + dimensions / 2`.
    ///
    /// Two scalings depend on how long the text is, which `originalContext` says (0: this one does
    /// not): either longer texts use the long inverse frequencies (longrope), or their base grows
    /// (dynamic). What counts as the text's length is decided in
    /// `docs/decisions/0081-rotary-factors-that-depend-on-the-length.md`.
    ///
    /// @param dimensions leading elements of a head that are rotated
    /// @param inverseFrequencies `dimensions / 2` numbers
    /// @param attentionFactor multiplies cos and sin
    /// @param originalContext tokens up to which `inverseFrequencies` hold
    /// @param longInverseFrequencies for texts of more tokens
    /// @param dynamicBase the base of the frequencies that grows with the text; 0: none does
    /// @param dynamicFactor how fast it grows
    public record Rotary(
            int dimensions,
            List<Double> inverseFrequencies,
            double attentionFactor,
            int originalContext,
            List<Double> longInverseFrequencies,
            double dynamicBase,
            double dynamicFactor) {

        public Rotary {
            inverseFrequencies = List.copyOf(inverseFrequencies);
            longInverseFrequencies = List.copyOf(longInverseFrequencies);
        }

        /// The same frequencies for texts of any length.
        public Rotary(int dimensions, List<Double> inverseFrequencies, double attentionFactor) {
            this(dimensions, inverseFrequencies, attentionFactor, 0, List.of(), 0, 0);
        }
    }
}
