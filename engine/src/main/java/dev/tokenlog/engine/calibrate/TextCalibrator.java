package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Calibrator;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.quantize.CrossProducts;
import dev.tokenlog.engine.quantize.Hessian;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.quantize.SecondOrder;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/// Captures, layer by layer, what goes into each matrix while the model reads a text, and finds
/// codes with it. The layers before, and the matrices before in the same layer, are already
/// quantized when a matrix is looked at, so that it can make up for what they lose.
///
/// Holds the hidden states of the text's tokens, one layer's matrices and the Hessian of one group
/// of matrices.
public final class TextCalibrator implements Calibrator {

    /// Of the mean of the Hessian's diagonal.
    private static final double DAMPING = 0.08;

    private final SourceModel source;
    private final CalibrationText text;
    private final BooleanSupplier cancelled;
    private final PoolBands bands;
    private final InputGroups groups;
    private final Arena arena = Arena.ofShared();
    private final HiddenStates states;
    private final HiddenStates floatStates;
    private final Map<String, Matrix> done = new HashMap<>();
    private Arena layerArena = Arena.ofShared();
    private final Map<String, NumberCode> codes;
    private final Runnable closing;
    private int layer;
    private String group;
    private SecondOrder quantizer;

    private TextCalibrator(
            SourceModel source,
            CalibrationText text,
            Map<String, NumberCode> codes,
            int threads,
            BooleanSupplier cancelled,
            Runnable closing) {
        this.closing = closing;
        this.codes = codes;
        this.source = source;
        this.text = text;
        this.cancelled = cancelled;
        this.bands = new PoolBands(threads, cancelled);
        this.groups = new InputGroups(source.plan());
        this.states = new HiddenStates(source, text, threads, cancelled, arena);
        this.floatStates = new HiddenStates(source, text, threads, cancelled, arena);
        try (Arena embedding = Arena.ofShared()) {
            floatStates.embed(source.tensor(source.plan().embeddingTensor()).matrix(embedding));
        }
    }

    /// Calibrators that read a text, which the model's own template renders.
    ///
    /// @throws EngineException from `open`, if the recipe asks for another text
    public static Calibrator.Provider reading(CalibrationFile text) {
        return (source, recipe, threads, cancelled) -> {
            Calibration calibration = recipe.calibration();
            String digest = text.sha256();
            if (!digest.equals(calibration.text())) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "%s: the recipe asks for a calibration text with SHA-256 %s, this one has %s"
                                .formatted(text.name(), calibration.text(), digest));
            }
            CalibrationText read = CalibrationText.read(text, source, calibration.tokens());
            return calibration.method().scales()
                    ? scaled(source, recipe, read, threads, cancelled)
                    : new TextCalibrator(
                            source,
                            read,
                            codes(source, recipe, read, threads, cancelled),
                            threads,
                            cancelled,
                            () -> {});
        };
    }

    private static Calibrator scaled(
            SourceModel source,
            Recipe recipe,
            CalibrationText text,
            int threads,
            BooleanSupplier cancelled) {
        SourceModel scaled = ActivationScales.folded(source, text, recipe, threads, cancelled);
        boolean opened = false;
        try {
            Map<String, NumberCode> codes = codes(scaled, recipe, text, threads, cancelled);
            Calibrator calibrator =
                    recipe.calibration().method().compensates()
                            ? new TextCalibrator(
                                    scaled, text, codes, threads, cancelled, scaled::close)
                            : new ScaledSource(scaled, codes);
            opened = true;
            return calibrator;
        } finally {
            if (!opened) {
                scaled.close();
            }
        }
    }

    private static Map<String, NumberCode> codes(
            SourceModel source,
            Recipe recipe,
            CalibrationText text,
            int threads,
            BooleanSupplier cancelled) {
        Double bits = recipe.calibration().bits();
        return bits == null
                ? Map.of()
                : MixedPrecision.choose(source, text, recipe.groupSize(), bits, threads, cancelled);
    }

    @Override
    public SourceModel source() {
        return source;
    }

    @Override
    public boolean isFor(PlannedTensor tensor) {
        return tensor.kind() == Kind.MATRIX;
    }

    @Override
    public NumberCode code(PlannedTensor tensor, NumberCode usual) {
        return codes.getOrDefault(tensor.name(), usual);
    }

    @Override
    public RowSource calibrate(PlannedTensor tensor, NumberCode code, int groupSize) {
        reach(tensor.layer());
        String wanted = groups.of(tensor.name());
        if (!wanted.equals(group)) {
            quantizer = null;
            quantizer = capture(wanted, tensor);
            group = wanted;
        }
        return quantizer.quantize(source.tensor(tensor.name()), tensor.rows(), code, groupSize);
    }

    /// Reads the text twice, in step: with what is quantized so far, and in float.
    private SecondOrder capture(String wanted, PlannedTensor tensor) {
        int columns = tensor.columns();
        Hessian hessian = new Hessian(columns);
        // An expert sees other tokens in each of the two.
        boolean compares = !isExpert(tensor);
        CrossProducts inputs = compares ? new CrossProducts(columns, columns) : null;
        CrossProducts residual = null;
        try (Arena pass = Arena.ofShared();
                LayerPass quantized = states.pass(layer, this::current, pass, wanted);
                LayerPass inFloat = floatStates.pass(layer, this::inFloat, pass, wanted)) {
            int first = 0;
            for (int[] document : text.documents()) {
                CalibrationText.requireGoOn(cancelled);
                quantized.read(first, document.length);
                int count = quantized.inputCount();
                hessian.add(quantized.inputs(), count, bands);
                if (compares) {
                    inFloat.read(first, document.length);
                    inputs.add(
                            inFloat.inputs(), quantized.inputs(), quantized.inputs(), count, bands);
                    if (quantized.hasResidual()) {
                        residual =
                                residual == null
                                        ? new CrossProducts(tensor.rows(), columns)
                                        : residual;
                        residual.add(
                                inFloat.residual(),
                                quantized.residual(),
                                quantized.inputs(),
                                count,
                                bands);
                    }
                }
                first += document.length;
            }
        }
        hessian.complete(DAMPING);
        return new SecondOrder(hessian, inputs, residual, bands, tensor.name());
    }

    private boolean isExpert(PlannedTensor tensor) {
        FeedForward network = source.plan().layers().get(tensor.layer()).feedForward();
        return network.mixture() != null
                && !groups.of(tensor.name()).equals(attentionGroup(tensor, true))
                && !groups.of(tensor.name()).equals(attentionGroup(tensor, false));
    }

    private String attentionGroup(PlannedTensor tensor, boolean input) {
        Attention attention = source.plan().layers().get(tensor.layer()).attention();
        return input ? attention.queryTensor() : attention.outputTensor();
    }

    private Matrix current(String name, Arena pass) {
        Matrix stored = done.get(name);
        return stored == null ? inFloat(name, pass) : stored;
    }

    private Matrix inFloat(String name, Arena pass) {
        return source.tensor(name).matrix(pass);
    }

    @Override
    public void done(PlannedTensor tensor, Function<Arena, Matrix> stored) {
        if (tensor.kind() == Kind.EMBEDDING) {
            try (Arena embedding = Arena.ofShared()) {
                states.embed(stored.apply(embedding));
            }
        } else if (tensor.kind() == Kind.MATRIX) {
            reach(tensor.layer());
            done.put(tensor.name(), stored.apply(layerArena));
        }
    }

    /// Lets the text through all layers before this one, as they are stored.
    private void reach(int wanted) {
        while (layer < wanted) {
            states.advance(layer, this::current);
            floatStates.advance(layer, this::inFloat);
            done.clear();
            layerArena.close();
            layerArena = Arena.ofShared();
            layer++;
        }
    }

    @Override
    public void close() {
        bands.close();
        layerArena.close();
        arena.close();
        closing.run();
    }
}
