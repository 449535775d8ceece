package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.compute.AttentionShape;

/// The weights of one decoder layer, ready to be multiplied. A norm that the layer does without is
/// null.
record Layer(
        int index,
        ModelPlan.LayerPlan plan,
        AttentionShape attention,
        float[] inputNorm,
        float[] queryNorm,
        float[] keyNorm,
        float[] attentionOutputNorm,
        float[] feedForwardNorm,
        float[] feedForwardOutputNorm,
        Projection queryKeyValue,
        Projection attentionOutput,
        FeedForwardWeights feedForward) {

    int queryWidth() {
        return plan.attention().queryWidth();
    }

    int keyValueWidth() {
        return plan.attention().keyValueWidth();
    }

    int intermediateSize() {
        return plan.feedForward().intermediateSize();
    }
}
