package dev.tokenlog.engine.architecture;

import java.util.List;

/// What a model computes, as data: everything that the forward pass needs to know beside the
/// weights. Built from a `config.json` by [ModelPlans]; there is no class per family.
///
/// @param family the `model_type` of the configuration, for people
/// @param contextLength positions that the model was made for
/// @param embeddingScale multiplies embeddings; 1 where the family has none
/// @param layers in order
/// @param finalNormEpsilon of the last norm
/// @param tiedEmbeddings the head is the embedding matrix; `headTensor` then names the embedding
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
        String headTensor) {

    public ModelPlan {
        layers = List.copyOf(layers);
    }

    /// One decoder layer: norm, attention, residual, norm, gated feed-forward, residual.
    public record LayerPlan(
            Attention attention,
            FeedForward feedForward,
            String inputNormTensor,
            String postAttentionNormTensor,
            float normEpsilon) {}

    /// @param scale multiplies scores: usually `1 / sqrt(headSize)`
    /// @param window positions that a token sees, itself included; 0: all
    /// @param queryKeyValueBias whether query, key and value have biases (`name.bias` beside
    ///   `name.weight`)
    /// @param outputBias whether the output has one
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
            String outputTensor) {}

    public record FeedForward(
            int intermediateSize,
            Activation activation,
            boolean bias,
            String gateTensor,
            String upTensor,
            String downTensor) {}

    public enum Activation {
        SILU,
        GELU_TANH
    }

    /// Rotary positions: one inverse frequency per pair, in double, after whatever scaling the
    /// configuration asks for, computed with `StrictMath`. Pair `i` of a head is elements `i` and
    /// `i + dimensions / 2`.
    ///
    /// @param dimensions leading elements of a head that are rotated
    /// @param inverseFrequencies `dimensions / 2` numbers
    /// @param attentionFactor multiplies cos and sin
    public record Rotary(int dimensions, List<Double> inverseFrequencies, double attentionFactor) {}
}
