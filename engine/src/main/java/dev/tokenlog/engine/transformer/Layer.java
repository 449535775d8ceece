package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.compute.AttentionShape;

/// The weights of one decoder layer, ready to be multiplied.
record Layer(
        int index,
        ModelPlan.LayerPlan plan,
        AttentionShape attention,
        float[] inputNorm,
        float[] postAttentionNorm,
        Projection queryKeyValue,
        Projection attentionOutput,
        Projection gateUp,
        Projection down) {

    int queryWidth() {
        return plan.attention().heads() * plan.attention().headSize();
    }

    int keyValueWidth() {
        return plan.attention().keyValueHeads() * plan.attention().headSize();
    }

    int intermediateSize() {
        return plan.feedForward().intermediateSize();
    }
}
