package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Calibrator;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.quantize.CrossProducts;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.quantize.Hessian;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.quantize.SecondOrder;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/// Captures, layer by layer, what goes into each matrix while the model reads a text, and finds
/// codes with it. The layers before, and the matrices before in the same layer, are already
/// quantized when a matrix is looked at, so that it can make up for what they lose.
///
/// Holds the hidden states of the text's tokens, one layer's matrices and the Hessian of one group
/// of matrices.
public final class TextCalibrator implements Calibrator {

    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Of the mean of the Hessian's diagonal.
    private static final double DAMPING = 0.05;

    private final SourceModel source;
    private final CalibrationText text;
    private final int threads;
    private final BooleanSupplier cancelled;
    private final PoolBands bands;
    private final InputGroups groups;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment states;
    private final MemorySegment floatStates;
    private final Map<String, Matrix> done = new HashMap<>();
    private Arena layerArena = Arena.ofShared();
    private final Map<String, NumberCode> codes;
    private int layer;
    private String group;
    private SecondOrder quantizer;

    private TextCalibrator(
            SourceModel source,
            CalibrationText text,
            Map<String, NumberCode> codes,
            int threads,
            BooleanSupplier cancelled) {
        this.codes = codes;
        this.source = source;
        this.text = text;
        this.threads = threads;
        this.cancelled = cancelled;
        this.bands = new PoolBands(threads, cancelled);
        this.groups = new InputGroups(source.plan());
        this.states = arena.allocate(4L * text.tokens() * source.plan().hiddenSize(), 64);
        this.floatStates = arena.allocate(states.byteSize(), 64);
        try (Arena embedding = Arena.ofShared()) {
            embed(source.tensor(source.plan().embeddingTensor()).matrix(embedding), floatStates);
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
            Map<String, NumberCode> codes =
                    calibration.bits() == null
                            ? Map.of()
                            : MixedPrecision.choose(
                                    source,
                                    read,
                                    recipe.groupSize(),
                                    calibration.bits(),
                                    threads,
                                    cancelled);
            return new TextCalibrator(source, read, codes, threads, cancelled);
        };
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
                LayerPass quantized = pass(states, this::current, pass, wanted);
                LayerPass inFloat = pass(floatStates, this::inFloat, pass, wanted)) {
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

    private LayerPass pass(
            MemorySegment from,
            BiFunction<String, Arena, Matrix> matrices,
            Arena pass,
            String wanted) {
        return new LayerPass(
                new LayerModel(
                        source, layer, from, text.tokens(), name -> matrices.apply(name, pass)),
                threads,
                wanted);
    }

    @Override
    public void done(PlannedTensor tensor, Function<Arena, Matrix> stored) {
        if (tensor.kind() == Kind.EMBEDDING) {
            try (Arena embedding = Arena.ofShared()) {
                embed(stored.apply(embedding), states);
            }
        } else if (tensor.kind() == Kind.MATRIX) {
            reach(tensor.layer());
            done.put(tensor.name(), stored.apply(layerArena));
        }
    }

    private void embed(Matrix embedding, MemorySegment into) {
        ModelPlan plan = source.plan();
        float[] row = new float[plan.hiddenSize()];
        int token = 0;
        for (int[] document : text.documents()) {
            for (int id : document) {
                Dequantizer.row(embedding, id, row);
                for (int i = 0; i < row.length; i++) {
                    row[i] *= plan.embeddingScale();
                }
                put(row, into, token++, 1);
            }
        }
    }

    private void put(float[] rows, MemorySegment into, int token, int count) {
        int hidden = source.plan().hiddenSize();
        MemorySegment.copy(rows, 0, into, F32, 4L * token * hidden, count * hidden);
    }

    /// Lets the text through all layers before this one, as they are stored.
    private void reach(int wanted) {
        while (layer < wanted) {
            advance(states, this::current);
            advance(floatStates, this::inFloat);
            done.clear();
            layerArena.close();
            layerArena = Arena.ofShared();
            layer++;
        }
    }

    private void advance(MemorySegment table, BiFunction<String, Arena, Matrix> matrices) {
        try (Arena pass = Arena.ofShared();
                LayerPass layerPass = pass(table, matrices, pass, null)) {
            int first = 0;
            for (int[] document : text.documents()) {
                CalibrationText.requireGoOn(cancelled);
                layerPass.read(first, document.length);
                put(layerPass.output(), table, first, document.length);
                first += document.length;
            }
        }
    }

    @Override
    public void close() {
        bands.close();
        layerArena.close();
        arena.close();
    }
}
