package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/// One layer of a model as a model of its own: its "embedding" is a table of hidden states, one for
/// each token of a text, and its tokens are the numbers of the table's rows. So the executor of all
/// models runs a layer on whatever went before.
final class LayerModel implements Model {

    private static final String STATES = "calibration.states";
    private static final String NORM = "calibration.norm";

    private final Model source;
    private final ModelPlan plan;
    private final Matrix.Float states;
    private final Function<String, Matrix> matrices;

    /// @param states the hidden states, F32, one row per token
    /// @param matrices of the layer, by name
    LayerModel(
            Model source,
            int layer,
            MemorySegment states,
            int tokens,
            Function<String, Matrix> matrices) {
        this.source = source;
        this.matrices = matrices;
        ModelPlan whole = source.plan();
        this.states = new Matrix.Float(STATES, DataType.F32, tokens, whole.hiddenSize(), states);
        this.plan =
                new ModelPlan(
                        whole.family(),
                        tokens,
                        whole.hiddenSize(),
                        whole.contextLength(),
                        1f,
                        List.of(whole.layers().get(layer)),
                        whole.rotary(),
                        whole.finalNormEpsilon(),
                        true,
                        STATES,
                        NORM,
                        STATES,
                        whole.otherRotaries(),
                        whole.unitOffsetNorms(),
                        whole.residualMultiplier(),
                        0,
                        0);
    }

    @Override
    public Path folder() {
        return source.folder();
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public Optional<String> digest() {
        return Optional.empty();
    }

    @Override
    public Matrix matrix(String tensor) {
        return tensor.equals(STATES) ? states : matrices.apply(tensor);
    }

    @Override
    public float[] vector(String tensor) {
        if (tensor.equals(NORM)) {
            float[] ones = new float[plan.hiddenSize()];
            Arrays.fill(ones, 1f);
            return ones;
        }
        return source.vector(tensor);
    }

    @Override
    public Optional<Path> file(String name) {
        return source.file(name);
    }

    @Override
    public void close() {}
}
