package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.artifact.TensorFold;
import dev.tokenlog.engine.quantize.Hessian;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/// Activation-aware scaling (AWQ, Lin et al. 2023): each column of a matrix is multiplied by a
/// power of the mean magnitude of its input, and the input divided by it. Columns that matter most
/// are then rounded most finely. The division is folded into what makes the input: the norm before
/// query, key and value and before gate and up; the rows of value before the output of attention;
/// the rows of up before down. The model computes the same until it is rounded.
///
/// The power is searched for each group of matrices with the same input, from 0 (nothing is scaled)
/// to 1, by the error that rounding to nearest makes in their outputs on the text ([ScaleSearch]).
final class ActivationScales {

    /// Tokens that are read at most: means converge early.
    private static final int TOKENS = 4096;

    private final SourceModel source;
    private final CalibrationText text;
    private final BooleanSupplier cancelled;
    private final PoolBands bands;
    private final ScaleSearch search;
    private final HiddenStates states;
    private final Map<String, TensorFold> folds = new HashMap<>();

    private ActivationScales(
            SourceModel source,
            CalibrationText text,
            Recipe recipe,
            int threads,
            BooleanSupplier cancelled,
            PoolBands bands,
            Arena arena) {
        this.source = source;
        this.text = text;
        this.cancelled = cancelled;
        this.bands = bands;
        this.search = new ScaleSearch(recipe, bands);
        this.states = new HiddenStates(source, text, threads, cancelled, arena);
    }

    /// @return the scaled model, closed before the source is
    /// @throws EngineException `UNSUPPORTED`, naming family and what cannot be scaled
    static SourceModel folded(
            SourceModel source,
            CalibrationText text,
            Recipe recipe,
            int threads,
            BooleanSupplier cancelled) {
        ModelPlan plan = source.plan();
        plan.layers().forEach(layer -> refuse(plan, layer));
        try (Arena arena = Arena.ofShared();
                PoolBands bands = new PoolBands(threads, cancelled)) {
            ActivationScales scales =
                    new ActivationScales(
                            source, text.first(TOKENS), recipe, threads, cancelled, bands, arena);
            scales.find();
            return source.folded(plan, scales.folds, Map.of());
        }
    }

    private static void refuse(ModelPlan plan, LayerPlan layer) {
        String why =
                layer.feedForward().mixture() != null
                        ? "its feed-forward network is a mixture of experts"
                        : layer.inputNormTensor() == null || layer.postAttentionNormTensor() == null
                                ? "a layer has no norm of its input"
                                : null;
        if (why != null) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "activation-aware scaling of a %s: %s".formatted(plan.family(), why));
        }
    }

    private void find() {
        ModelPlan plan = source.plan();
        try (Arena embedding = Arena.ofShared()) {
            states.embed(source.tensor(plan.embeddingTensor()).matrix(embedding));
        }
        for (int layer = 0; layer < plan.layers().size(); layer++) {
            LayerPlan layerPlan = plan.layers().get(layer);
            Attention attention = layerPlan.attention();
            FeedForward network = layerPlan.feedForward();
            underNorm(
                    layer,
                    layerPlan.inputNormTensor(),
                    Stream.of(
                            attention.queryTensor(),
                            attention.keyTensor(),
                            attention.valueTensor()));
            attentionOutput(layer, attention);
            underNorm(
                    layer,
                    layerPlan.postAttentionNormTensor(),
                    Stream.of(network.gateTensor(), network.upTensor()));
            down(layer, network);
            states.advance(layer, this::inFloat);
        }
    }

    private Matrix inFloat(String name, Arena pass) {
        return source.tensor(name).matrix(pass);
    }

    /// What goes into a group of matrices.
    private Inputs inputs(int layer, String group, int columns) {
        Inputs inputs = new Inputs(new Hessian(columns), new double[columns]);
        try (Arena pass = Arena.ofShared();
                LayerPass layerPass = states.pass(layer, this::inFloat, pass, group)) {
            int first = 0;
            for (int[] document : text.documents()) {
                CalibrationText.requireGoOn(cancelled);
                layerPass.read(first, document.length);
                inputs.add(layerPass.inputs(), layerPass.inputCount(), bands);
                first += document.length;
            }
        }
        inputs.products.complete(0);
        return inputs;
    }

    /// @param products `Σ x xᵀ`
    /// @param magnitudes `Σ |x|`
    private record Inputs(Hessian products, double[] magnitudes) {

        void add(float[] x, int count, PoolBands bands) {
            products.add(x, count, bands);
            int columns = magnitudes.length;
            for (int token = 0; token < count; token++) {
                for (int i = 0; i < columns; i++) {
                    magnitudes[i] += Math.abs(x[token * columns + i]);
                }
            }
        }
    }

    private void underNorm(int layer, String norm, Stream<String> readers) {
        List<String> names = readers.distinct().toList();
        float[] stored = source.vector(norm);
        Inputs inputs = inputs(layer, names.getFirst(), stored.length);
        double[] s = search.find(source, names, inputs.products, inputs.magnitudes);
        boolean offset = source.plan().unitOffsetNorms();
        for (int i = 0; i < stored.length; i++) {
            stored[i] = (float) (offset ? (1f + stored[i]) / s[i] - 1 : stored[i] / s[i]);
        }
        folds.put(norm, TensorFold.values(stored));
        names.forEach(name -> columns(name, s));
    }

    private void columns(String tensor, double[] s) {
        folds.merge(
                tensor,
                TensorFold.NONE.withColumns(s, null),
                (fold, _) -> fold.withColumns(s, null));
    }

    /// Query heads that share a value head share its factors.
    private void attentionOutput(int layer, Attention attention) {
        String output = attention.outputTensor();
        Inputs inputs = inputs(layer, output, attention.queryWidth());
        int head = attention.headSize();
        int sharing = attention.heads() / attention.keyValueHeads();
        double[] shared = new double[attention.keyValueWidth()];
        int[] valueOf = new int[attention.queryWidth()];
        for (int i = 0; i < valueOf.length; i++) {
            valueOf[i] = i / head / sharing * head + i % head;
            shared[valueOf[i]] += inputs.magnitudes[i];
        }
        double[] magnitudes = new double[valueOf.length];
        Arrays.setAll(magnitudes, i -> shared[valueOf[i]]);
        double[] s = search.find(source, List.of(output), inputs.products, magnitudes);
        columns(output, s);
        double[] inverse = new double[shared.length];
        for (int i = 0; i < valueOf.length; i++) {
            inverse[valueOf[i]] = 1 / s[i];
        }
        int first = attention.fused() ? attention.queryWidth() + attention.keyValueWidth() : 0;
        rows(attention.valueTensor(), attention.queryKeyValueBias(), inverse, first);
    }

    private void down(int layer, FeedForward network) {
        String down = network.downTensor();
        Inputs inputs = inputs(layer, down, network.intermediateSize());
        double[] s = search.find(source, List.of(down), inputs.products, inputs.magnitudes);
        columns(down, s);
        double[] inverse = new double[s.length];
        Arrays.setAll(inverse, i -> 1 / s[i]);
        int first = network.fused() ? network.intermediateSize() : 0;
        rows(network.upTensor(), network.bias(), inverse, first);
    }

    private void rows(String tensor, boolean biased, double[] factors, int first) {
        folds.merge(
                tensor,
                TensorFold.NONE.withRowFactors(factors, first),
                (fold, _) -> fold.withRowFactors(factors, first));
        if (biased) {
            folds.put(PlannedTensor.biasOf(tensor), TensorFold.NONE.withRowFactors(factors, first));
        }
    }
}
