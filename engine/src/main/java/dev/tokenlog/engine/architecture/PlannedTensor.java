package dev.tokenlog.engine.architecture;

import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
import java.util.ArrayList;
import java.util.List;

/// A tensor that a plan reads, with the shape that it must have.
///
/// @param layer from 0; -1 for the tensors around the layers
/// @param rows outputs of a matrix; the length of a vector
/// @param columns inputs of a matrix; 1 for a vector
public record PlannedTensor(String name, Kind kind, int layer, int rows, int columns) {

    public enum Kind {
        EMBEDDING,
        HEAD,
        MATRIX,
        /// The matrix of a mixture's router: never quantized.
        ROUTER,
        NORM,
        BIAS;

        /// Whether the tensor has rows and columns.
        public boolean isMatrix() {
            return isQuantizable() || this == ROUTER;
        }

        /// Whether a recipe makes codes of the tensor; the others stay float.
        public boolean isQuantizable() {
            return this == EMBEDDING || this == HEAD || this == MATRIX;
        }
    }

    public List<Long> shape() {
        return kind.isMatrix() ? List.of((long) rows, (long) columns) : List.of((long) rows);
    }

    public long elements() {
        return (long) rows * columns;
    }

    /// Everything that a plan reads, each tensor once: embedding, layers, last norm, head.
    public static List<PlannedTensor> of(ModelPlan plan) {
        List<PlannedTensor> tensors = new ArrayList<>();
        int hidden = plan.hiddenSize();
        int vocabulary = plan.vocabularySize();
        tensors.add(
                new PlannedTensor(plan.embeddingTensor(), Kind.EMBEDDING, -1, vocabulary, hidden));
        for (int layer = 0; layer < plan.layers().size(); layer++) {
            addLayer(tensors, plan.layers().get(layer), layer, hidden);
        }
        tensors.add(new PlannedTensor(plan.finalNormTensor(), Kind.NORM, -1, hidden, 1));
        if (!plan.tiedEmbeddings()) {
            tensors.add(new PlannedTensor(plan.headTensor(), Kind.HEAD, -1, vocabulary, hidden));
        }
        return List.copyOf(tensors);
    }

    private static void addLayer(
            List<PlannedTensor> tensors, LayerPlan plan, int layer, int hidden) {
        addNorm(tensors, plan.inputNormTensor(), layer, hidden);
        addAttention(tensors, plan.attention(), layer, hidden);
        addNorm(tensors, plan.attentionOutputNormTensor(), layer, hidden);
        addNorm(tensors, plan.postAttentionNormTensor(), layer, hidden);
        addFeedForward(tensors, plan.feedForward(), layer, hidden);
        addNorm(tensors, plan.feedForwardOutputNormTensor(), layer, hidden);
    }

    private static void addAttention(
            List<PlannedTensor> tensors, Attention plan, int layer, int hidden) {
        int queries = plan.queryWidth();
        int keys = plan.keyValueWidth();
        boolean biased = plan.queryKeyValueBias();
        if (plan.fused()) {
            addMatrix(tensors, plan.queryTensor(), layer, queries + 2 * keys, hidden, biased);
        } else {
            addMatrix(tensors, plan.queryTensor(), layer, queries, hidden, biased);
            addMatrix(tensors, plan.keyTensor(), layer, keys, hidden, biased);
            addMatrix(tensors, plan.valueTensor(), layer, keys, hidden, biased);
        }
        boolean whole = plan.wholeProjectionNorms();
        addNorm(tensors, plan.queryNormTensor(), layer, whole ? queries : plan.headSize());
        addNorm(tensors, plan.keyNormTensor(), layer, whole ? keys : plan.headSize());
        addMatrix(tensors, plan.outputTensor(), layer, hidden, queries, plan.outputBias());
    }

    private static void addFeedForward(
            List<PlannedTensor> tensors, FeedForward plan, int layer, int hidden) {
        Mixture mixture = plan.mixture();
        if (mixture != null) {
            tensors.add(
                    new PlannedTensor(
                            mixture.routerTensor(), Kind.ROUTER, layer, mixture.experts(), hidden));
            for (int expert = 0; expert < mixture.experts(); expert++) {
                addFeedForward(tensors, plan.expert(expert), layer, hidden);
            }
            return;
        }
        int inner = plan.intermediateSize();
        if (plan.fused()) {
            addMatrix(tensors, plan.gateTensor(), layer, 2 * inner, hidden, plan.bias());
        } else {
            addMatrix(tensors, plan.gateTensor(), layer, inner, hidden, plan.bias());
            addMatrix(tensors, plan.upTensor(), layer, inner, hidden, plan.bias());
        }
        addMatrix(tensors, plan.downTensor(), layer, hidden, inner, plan.bias());
    }

    /// @param name null where there is no such norm
    private static void addNorm(List<PlannedTensor> tensors, String name, int layer, int size) {
        if (name != null) {
            tensors.add(new PlannedTensor(name, Kind.NORM, layer, size, 1));
        }
    }

    private static void addMatrix(
            List<PlannedTensor> tensors,
            String name,
            int layer,
            int rows,
            int columns,
            boolean biased) {
        tensors.add(new PlannedTensor(name, Kind.MATRIX, layer, rows, columns));
        if (biased) {
            tensors.add(new PlannedTensor(biasOf(name), Kind.BIAS, layer, rows, 1));
        }
    }

    /// `name.bias` beside `name.weight`.
    public static String biasOf(String weight) {
        if (!weight.endsWith(".weight")) {
            throw new IllegalArgumentException(weight + ": expected a name that ends with .weight");
        }
        return weight.substring(0, weight.length() - "weight".length()) + "bias";
    }
}
