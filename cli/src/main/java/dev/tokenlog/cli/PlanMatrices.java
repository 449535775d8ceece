package dev.tokenlog.cli;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import java.util.ArrayList;
import java.util.List;

/// What is multiplied in a pass, counted from the plan.
final class PlanMatrices {

    /// @param times how often a token meets it, on average: less than 1 for an expert
    record Shape(String tensor, int rows, int columns, double times) {

        double products() {
            return times * rows * columns;
        }
    }

    private PlanMatrices() {}

    /// The matrices of all layers, the embedding (met 0 times) and the head, unless it is the
    /// embedding (met once).
    static List<Shape> of(ModelPlan plan) {
        List<Shape> all = new ArrayList<>(layers(plan));
        int vocabulary = plan.vocabularySize();
        int hidden = plan.hiddenSize();
        all.add(
                new Shape(
                        plan.embeddingTensor(), vocabulary, hidden, plan.tiedEmbeddings() ? 1 : 0));
        if (!plan.tiedEmbeddings()) {
            all.add(new Shape(plan.headTensor(), vocabulary, hidden, 1));
        }
        return all;
    }

    /// Multiply-adds of one token in all layers.
    static double layerProducts(ModelPlan plan) {
        return layers(plan).stream().mapToDouble(Shape::products).sum();
    }

    /// Multiply-adds of one token's logits.
    static double headProducts(ModelPlan plan) {
        return (double) plan.vocabularySize() * plan.hiddenSize();
    }

    private static List<Shape> layers(ModelPlan plan) {
        List<Shape> all = new ArrayList<>();
        for (LayerPlan layer : plan.layers()) {
            attention(layer.attention(), plan.hiddenSize(), all);
            FeedForward feedForward = layer.feedForward();
            if (feedForward.mixture() == null) {
                dense(feedForward, plan.hiddenSize(), 1, all);
            } else {
                int experts = feedForward.mixture().experts();
                double share = (double) feedForward.mixture().chosen() / experts;
                all.add(
                        new Shape(
                                feedForward.mixture().routerTensor(),
                                experts,
                                plan.hiddenSize(),
                                1));
                for (int expert = 0; expert < experts; expert++) {
                    dense(feedForward.expert(expert), plan.hiddenSize(), share, all);
                }
            }
        }
        return all;
    }

    private static void attention(Attention plan, int hidden, List<Shape> all) {
        int queries = plan.queryWidth();
        int keys = plan.keyValueWidth();
        if (plan.fused()) {
            all.add(new Shape(plan.queryTensor(), queries + 2 * keys, hidden, 1));
        } else {
            all.add(new Shape(plan.queryTensor(), queries, hidden, 1));
            all.add(new Shape(plan.keyTensor(), keys, hidden, 1));
            all.add(new Shape(plan.valueTensor(), keys, hidden, 1));
        }
        all.add(new Shape(plan.outputTensor(), hidden, queries, 1));
    }

    private static void dense(FeedForward plan, int hidden, double times, List<Shape> all) {
        int rows = plan.intermediateSize();
        if (plan.fused()) {
            all.add(new Shape(plan.gateTensor(), 2 * rows, hidden, times));
        } else {
            all.add(new Shape(plan.gateTensor(), rows, hidden, times));
            all.add(new Shape(plan.upTensor(), rows, hidden, times));
        }
        all.add(new Shape(plan.downTensor(), hidden, rows, times));
    }
}
