package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;

/// The hidden state of every token of a text, on its way through the layers.
final class HiddenStates {

    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final SourceModel source;
    private final CalibrationText text;
    private final int threads;
    private final BooleanSupplier cancelled;
    private final MemorySegment table;

    /// @param arena that holds the table
    HiddenStates(
            SourceModel source,
            CalibrationText text,
            int threads,
            BooleanSupplier cancelled,
            Arena arena) {
        this.source = source;
        this.text = text;
        this.threads = threads;
        this.cancelled = cancelled;
        this.table = arena.allocate(4L * text.tokens() * source.plan().hiddenSize(), 64);
    }

    /// What the first layer gets.
    void embed(Matrix embedding) {
        ModelPlan plan = source.plan();
        float[] row = new float[plan.hiddenSize()];
        int token = 0;
        for (int[] document : text.documents()) {
            for (int id : document) {
                Dequantizer.row(embedding, id, row);
                for (int i = 0; i < row.length; i++) {
                    row[i] *= plan.embeddingScale();
                }
                put(row, token++, 1);
            }
        }
    }

    private void put(float[] rows, int token, int count) {
        int hidden = source.plan().hiddenSize();
        MemorySegment.copy(rows, 0, table, F32, 4L * token * hidden, count * hidden);
    }

    /// A pass through a layer, from the states that are here.
    ///
    /// @param matrices of the layer, by name
    /// @param pass that matrices may be held by until the pass is closed
    /// @param group whose inputs are kept; null: none
    LayerPass pass(
            int layer, BiFunction<String, Arena, Matrix> matrices, Arena pass, String group) {
        return new LayerPass(
                new LayerModel(
                        source, layer, table, text.tokens(), name -> matrices.apply(name, pass)),
                threads,
                group);
    }

    /// Lets the text through a layer: afterwards the states are what the layer gave.
    void advance(int layer, BiFunction<String, Arena, Matrix> matrices) {
        try (Arena pass = Arena.ofShared();
                LayerPass layerPass = pass(layer, matrices, pass, null)) {
            int first = 0;
            for (int[] document : text.documents()) {
                CalibrationText.requireGoOn(cancelled);
                layerPass.read(first, document.length);
                put(layerPass.output(), first, document.length);
                first += document.length;
            }
        }
    }
}
