package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import java.util.HashMap;
import java.util.Map;

/// Matrices that are multiplied by the same input share what a text says about it. A group goes by
/// the name of its first matrix, which is the name that [dev.tokenlog.engine.transformer.InputTap]
/// hears.
final class InputGroups {

    private final Map<String, String> groups = new HashMap<>();

    InputGroups(ModelPlan plan) {
        for (LayerPlan layer : plan.layers()) {
            Attention attention = layer.attention();
            groups.put(attention.queryTensor(), attention.queryTensor());
            groups.put(attention.keyTensor(), attention.queryTensor());
            groups.put(attention.valueTensor(), attention.queryTensor());
            groups.put(attention.outputTensor(), attention.outputTensor());
            FeedForward network = layer.feedForward();
            if (network.mixture() == null) {
                add(network);
            } else {
                for (int expert = 0; expert < network.mixture().experts(); expert++) {
                    add(network.expert(expert));
                }
            }
        }
    }

    private void add(FeedForward network) {
        groups.put(network.gateTensor(), network.gateTensor());
        groups.put(network.upTensor(), network.gateTensor());
        groups.put(network.downTensor(), network.downTensor());
    }

    String of(String tensor) {
        return groups.get(tensor);
    }
}
