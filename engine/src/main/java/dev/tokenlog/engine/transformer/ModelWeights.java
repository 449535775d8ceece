package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.compute.AttentionShape;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Dense;
import dev.tokenlog.engine.transformer.FeedForwardWeights.Experts;
import dev.tokenlog.engine.transformer.Projection.Linear;
import dev.tokenlog.engine.transformer.Projection.Target;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// All weights of a model, found by the names of its plan, checked against the plan's shapes, and
/// bound to the buffers that their products go to.
///
/// @param headTarget set before each product with the head, since logits go to the caller's batch
record ModelWeights(
        Matrix embedding,
        List<Layer> layers,
        float[] finalNorm,
        Projection head,
        Target headTarget) {

    static ModelWeights load(Model model, StepBuffers buffers, int threads) {
        ModelPlan plan = model.plan();
        Loader loader = new Loader(model, buffers, threads);
        List<Layer> layers = new ArrayList<>();
        for (int index = 0; index < plan.layers().size(); index++) {
            layers.add(loader.layer(index, plan.layers().get(index)));
        }
        int vocabulary = plan.vocabularySize();
        Matrix embedding = loader.matrix(plan.embeddingTensor(), vocabulary, plan.hiddenSize());
        Matrix head =
                plan.tiedEmbeddings()
                        ? embedding
                        : loader.matrix(plan.headTensor(), vocabulary, plan.hiddenSize());
        Target headTarget = new Target(new float[0], 0, vocabulary);
        return new ModelWeights(
                embedding,
                List.copyOf(layers),
                loader.norm(plan.finalNormTensor(), plan.hiddenSize()),
                new Projection(threads, List.of(new Linear(head, Linear.NO_BIAS, headTarget))),
                headTarget);
    }

    /// All of them, in the order in which a pass multiplies them.
    List<Projection> projections() {
        List<Projection> all = new ArrayList<>();
        for (Layer layer : layers) {
            all.add(layer.queryKeyValue());
            all.add(layer.attentionOutput());
            switch (layer.feedForward()) {
                case Dense dense -> addDense(dense, all);
                case Experts experts -> {
                    all.add(experts.router());
                    experts.networks().forEach(expert -> addDense(expert, all));
                }
            }
        }
        all.add(head);
        return all;
    }

    private static void addDense(Dense dense, List<Projection> all) {
        all.add(dense.gateUp());
        all.add(dense.down());
    }

    private record Loader(Model model, StepBuffers buffers, int threads) {

        private static final float[] NOWHERE = {};

        Layer layer(int index, LayerPlan plan) {
            Attention attention = plan.attention();
            FeedForward feedForward = plan.feedForward();
            int hidden = model.plan().hiddenSize();
            if (attention.heads() % attention.keyValueHeads() != 0) {
                throw new EngineException(
                        EngineException.Reason.UNSUPPORTED,
                        "layer "
                                + index
                                + ": "
                                + attention.heads()
                                + " heads cannot share "
                                + attention.keyValueHeads()
                                + " key-value heads");
            }
            return new Layer(
                    index,
                    plan,
                    new AttentionShape(
                            index,
                            attention.heads() / attention.keyValueHeads(),
                            attention.headSize(),
                            attention.scale(),
                            attention.window(),
                            attention.softCap()),
                    norm(plan.inputNormTensor(), hidden),
                    norm(attention.queryNormTensor(), queryNormSize(attention)),
                    norm(attention.keyNormTensor(), keyNormSize(attention)),
                    norm(plan.attentionOutputNormTensor(), hidden),
                    norm(plan.postAttentionNormTensor(), hidden),
                    norm(plan.feedForwardOutputNormTensor(), hidden),
                    queryKeyValue(attention, hidden),
                    attentionOutput(attention, hidden),
                    feedForward(feedForward, hidden));
        }

        private FeedForwardWeights feedForward(FeedForward plan, int hidden) {
            Mixture mixture = plan.mixture();
            if (mixture == null) {
                return dense(plan, hidden, buffers.branch());
            }
            Projection router =
                    new Projection(
                            threads,
                            List.of(
                                    linear(
                                            mixture.routerTensor(),
                                            mixture.experts(),
                                            hidden,
                                            false,
                                            buffers.routing().logits())));
            return new Experts(
                    router,
                    IntStream.range(0, mixture.experts())
                            .mapToObj(plan::expert)
                            .map(expert -> dense(expert, hidden, buffers.expertOutput()))
                            .toList());
        }

        private Dense dense(FeedForward plan, int hidden, float[] out) {
            return new Dense(gateUp(plan, hidden), down(plan, hidden, out));
        }

        private static int queryNormSize(Attention plan) {
            return plan.wholeProjectionNorms() ? plan.queryWidth() : plan.headSize();
        }

        private static int keyNormSize(Attention plan) {
            return plan.wholeProjectionNorms() ? plan.keyValueWidth() : plan.headSize();
        }

        private Projection queryKeyValue(Attention plan, int hidden) {
            int queries = plan.queryWidth();
            int keys = plan.keyValueWidth();
            boolean bias = plan.queryKeyValueBias();
            if (plan.fused()) {
                Linear all = linear(plan.queryTensor(), queries + 2 * keys, hidden, bias, NOWHERE);
                return new Projection(
                        threads,
                        List.of(
                                rows(all, 0, queries, buffers.queries()),
                                rows(all, queries, keys, buffers.keys()),
                                rows(all, queries + keys, keys, buffers.values())));
            }
            return new Projection(
                    threads,
                    List.of(
                            linear(plan.queryTensor(), queries, hidden, bias, buffers.queries()),
                            linear(plan.keyTensor(), keys, hidden, bias, buffers.keys()),
                            linear(plan.valueTensor(), keys, hidden, bias, buffers.values())));
        }

        private Projection attentionOutput(Attention plan, int hidden) {
            int columns = plan.queryWidth();
            return new Projection(
                    threads,
                    List.of(
                            linear(
                                    plan.outputTensor(),
                                    hidden,
                                    columns,
                                    plan.outputBias(),
                                    buffers.branch())));
        }

        private Projection gateUp(FeedForward plan, int hidden) {
            int rows = plan.intermediateSize();
            boolean bias = plan.bias();
            if (plan.fused()) {
                Linear both = linear(plan.gateTensor(), 2 * rows, hidden, bias, NOWHERE);
                return new Projection(
                        threads,
                        List.of(
                                rows(both, 0, rows, buffers.gate().values()),
                                rows(both, rows, rows, buffers.up())));
            }
            return new Projection(
                    threads,
                    List.of(
                            linear(plan.gateTensor(), rows, hidden, bias, buffers.gate().values()),
                            linear(plan.upTensor(), rows, hidden, bias, buffers.up())));
        }

        private Projection down(FeedForward plan, int hidden, float[] out) {
            return new Projection(
                    threads,
                    List.of(
                            linear(
                                    plan.downTensor(),
                                    hidden,
                                    plan.intermediateSize(),
                                    plan.bias(),
                                    out)));
        }

        private Linear linear(String tensor, int rows, int columns, boolean bias, float[] out) {
            Matrix matrix = matrix(tensor, rows, columns);
            float[] biases = bias ? vector(biasOf(tensor), rows) : Linear.NO_BIAS;
            return new Linear(matrix, biases, new Target(out, 0, rows));
        }

        /// Some rows of a matrix that holds those of several.
        private static Linear rows(Linear all, int from, int count, float[] out) {
            float[] bias = all.bias();
            return new Linear(
                    all.matrix().rows(from, count),
                    bias.length == 0 ? bias : Arrays.copyOfRange(bias, from, from + count),
                    new Target(out, 0, count));
        }

        private static String biasOf(String weight) {
            String suffix = ".weight";
            return weight.endsWith(suffix)
                    ? weight.substring(0, weight.length() - suffix.length()) + ".bias"
                    : weight + ".bias";
        }

        Matrix matrix(String tensor, int rows, int columns) {
            Matrix matrix = model.matrix(tensor);
            if (matrix.rows() != rows || matrix.columns() != columns) {
                throw unexpected(
                        tensor,
                        "[" + rows + ", " + columns + "]",
                        "[" + matrix.rows() + ", " + matrix.columns() + "]");
            }
            return matrix;
        }

        /// @param tensor null where there is no such norm
        /// @return null, or what the norm multiplies by
        float[] norm(String tensor, int size) {
            if (tensor == null) {
                return null;
            }
            float[] weights = vector(tensor, size);
            if (!model.plan().unitOffsetNorms()) {
                return weights;
            }
            float[] offset = new float[size];
            for (int i = 0; i < size; i++) {
                offset[i] = 1f + weights[i];
            }
            return offset;
        }

        float[] vector(String tensor, int size) {
            float[] vector = model.vector(tensor);
            if (vector.length != size) {
                throw unexpected(tensor, "[" + size + "]", "[" + vector.length + "]");
            }
            return vector;
        }

        private EngineException unexpected(String tensor, String expected, String found) {
            return new EngineException(
                    EngineException.Reason.MODEL_UNREADABLE,
                    model.folder()
                            + ": tensor "
                            + tensor
                            + ": expected shape "
                            + expected
                            + ", found "
                            + found);
        }
    }
}
