package dev.tokenlog.engine.quantize;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Turns a matrix, quantized or not, into floats. Plain and slow: the reference for kernels, and
/// what error measures and exports read.
public final class Dequantizer {

    private static final ValueLayout.OfShort F16 =
            JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Dequantizer() {}

    /// One row, `matrix.columns()` values: operand · scale, one rounding.
    public static void row(Matrix matrix, int row, float[] into) {
        switch (matrix) {
            case Matrix.Float plain ->
                    Floats.widen(
                            plain.type(),
                            plain.data(),
                            (long) row * plain.columns(),
                            into,
                            plain.columns());
            case Matrix.Quantized quantized -> row(quantized, row, into);
        }
    }

    private static void row(Matrix.Quantized matrix, int row, float[] into) {
        GroupCode code = GroupCode.of(matrix.code());
        int columns = matrix.columns();
        int rowBytes = Math.toIntExact(matrix.bytesPerRow());
        byte[] packed = new byte[rowBytes];
        short[] q = new short[columns];
        MemorySegment.copy(matrix.codes(), JAVA_BYTE, (long) row * rowBytes, packed, 0, rowBytes);
        code.unpack(packed, 0, columns, q);
        int groups = matrix.groupsPerRow();
        for (int column = 0; column < columns; column++) {
            long group = (long) row * groups + column / matrix.groupSize();
            float scale = Float.float16ToFloat(matrix.scales().get(F16, group * 2)) * code.unit();
            int zero = matrix.zeros() == null ? 0 : matrix.zeros().get(JAVA_BYTE, group) & 0xff;
            into[column] = code.operand(q[column], zero) * scale;
        }
    }

    /// A matrix with fewer than 2³¹ elements, row after row.
    public static float[] all(Matrix matrix) {
        float[] values = new float[Math.multiplyExact(matrix.rows(), matrix.columns())];
        float[] row = new float[matrix.columns()];
        for (int r = 0; r < matrix.rows(); r++) {
            row(matrix, r, row);
            System.arraycopy(row, 0, values, r * row.length, row.length);
        }
        return values;
    }
}
