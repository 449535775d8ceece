package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// A matrix of floats of 8 bits (`F8_E4M3`: sign, 4 bits of exponent with bias 7, 3 of fraction; no
/// infinities) with a scale for all, for each row, or for each block of rows and columns. A value
/// is `float · scale` in float32.
///
/// @param blockRows rows that share a scale
/// @param blockColumns columns that do
/// @param scaleColumns scales in each row of blocks
record Fp8Tensor(
        String name,
        Tensor tensor,
        Tensor scales,
        int blockRows,
        int blockColumns,
        int scaleColumns,
        long bytes)
        implements SourceTensor {

    private static final float[] VALUES = values();

    private static float[] values() {
        float[] values = new float[256];
        for (int code = 0; code < 256; code++) {
            int exponent = code >> 3 & 15;
            int fraction = code & 7;
            float magnitude =
                    exponent == 0
                            ? Math.scalb(fraction, -9)
                            : Math.scalb(8 + fraction, exponent - 10);
            if ((code & 0x7f) == 0x7f) {
                magnitude = Float.NaN;
            }
            values[code] = code < 128 ? magnitude : -magnitude;
        }
        return values;
    }

    /// @param scale the part that holds the scales
    static Fp8Tensor of(TensorParts parts, String scale, QuantizationConfig config) {
        Tensor weights = parts.matrix(CompressedCodes.PLAIN, DataType.F8_E4M3);
        int rows = Math.toIntExact(weights.shape().getFirst());
        int columns = Math.toIntExact(weights.shape().getLast());
        Tensor scales = parts.get(scale, DataType.F32, DataType.F16, DataType.BF16);
        int blockRows = 1;
        int blockColumns = columns;
        if (scales.elements() == 1) {
            blockRows = rows;
        } else if (scales.elements() != rows || config.blocks().isPresent()) {
            int[] blocks =
                    config.blocks()
                            .orElseThrow(() ->
                                    parts.unreadable(
                                            scale,
                                            "shape %s for %d rows, and no size of blocks is stated"
                                                    .formatted(scales.shape(), rows)));
            blockRows = blocks[0];
            blockColumns = blocks[1];
            parts.requireShape(
                    scale,
                    scales,
                    Math.ceilDiv(rows, blockRows),
                    Math.ceilDiv(columns, blockColumns));
        }
        return new Fp8Tensor(
                parts.name(),
                weights,
                scales,
                blockRows,
                blockColumns,
                Math.ceilDiv(columns, blockColumns),
                parts.bytes());
    }

    @Override
    public String type() {
        return tensor.type().name();
    }

    @Override
    public List<Long> shape() {
        return tensor.shape();
    }

    @Override
    public MemorySegment stored() {
        return tensor.data();
    }

    @Override
    public int columns() {
        return Math.toIntExact(tensor.shape().getLast());
    }

    @Override
    public void row(int row, float[] into) {
        int columns = columns();
        float[] scale = new float[scaleColumns];
        long first = (long) (row / blockRows) * scaleColumns;
        Floats.widen(scales.type(), scales.data(), first, scale, scaleColumns);
        for (int column = 0; column < columns; column++) {
            byte code = tensor.data().get(JAVA_BYTE, (long) row * columns + column);
            into[column] = VALUES[code & 0xff] * scale[column / blockColumns];
        }
    }

    @Override
    public Matrix.Float matrix(Arena arena) {
        return CodedTensor.decoded(this, Math.toIntExact(tensor.shape().getFirst()), arena);
    }

    @Override
    public float[] vector() {
        throw new IllegalStateException(name() + ": a matrix, not a vector");
    }
}
