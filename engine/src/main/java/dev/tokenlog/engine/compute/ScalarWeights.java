package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.ScalarKernels.FLOAT;
import static dev.tokenlog.engine.compute.ScalarKernels.SHORT;

import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.ValueLayout;

/// The specification of what stored weights are: a number at a time, by code and by type.
final class ScalarWeights {

    private ScalarWeights() {}

    /// The integer that a stored code stands for, its operand.
    static int code(Matrix.Quantized weights, int row, int column) {
        long start = row * weights.bytesPerRow();
        NumberCode code = weights.code();
        return switch (code) {
            case INT8 -> weights.codes().get(ValueLayout.JAVA_BYTE, start + column);
            case INT4 -> bits(weights, start, 4, column) - 8;
            case INT2 -> bits(weights, start, 2, column) - 2;
            case UINT8, UINT4, UINT2 ->
                    bits(weights, start, code.bits(), column) - zero(weights, row, column);
            case INT1 -> 2 * bits(weights, start, 1, column) - 1;
            case TERNARY -> {
                int five = bits(weights, start, 8, column / 5);
                yield five / POWERS_OF_3[column % 5] % 3 - 1;
            }
            case QINS8_LOG, QINS8_INV, QINS8_PROJ, QINS4, FP4 ->
                    GroupCode.of(code).operand(bits(weights, start, code.bits(), column), 0);
            case QINS9_LOG -> {
                int sign = bits(weights, start + weights.columns(), 1, column);
                int magnitude = bits(weights, start, 8, column);
                yield GroupCode.of(code).operand(sign << 8 | magnitude, 0);
            }
        };
    }

    private static final int[] POWERS_OF_3 = {1, 3, 9, 27, 81};

    /// The bits of a column of a row, of which a byte holds several, the first in the lowest bits.
    private static int bits(Matrix.Quantized weights, long start, int bits, int column) {
        int perByte = 8 / bits;
        int one = weights.codes().get(ValueLayout.JAVA_BYTE, start + column / perByte) & 0xff;
        return one >> column % perByte * bits & (1 << bits) - 1;
    }

    private static int zero(Matrix.Quantized weights, int row, int column) {
        long index = (long) row * weights.groupsPerRow() + column / weights.groupSize();
        return weights.zeros().get(ValueLayout.JAVA_BYTE, index) & 0xff;
    }

    /// The scale of a group's operands: what is stored, and for tables of fractions a power of two.
    static float weightScale(Matrix.Quantized weights, int row, int group) {
        long index = (long) row * weights.groupsPerRow() + group;
        float stored = Float.float16ToFloat(weights.scales().get(SHORT, 2 * index));
        return stored * GroupCode.of(weights.code()).unit();
    }

    static float weight(Matrix.Float weights, int row, int column) {
        long index = (long) row * weights.columns() + column;
        return switch (weights.type()) {
            case F32 -> weights.data().get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(weights.data().get(SHORT, 2 * index));
            case BF16 -> Float.intBitsToFloat(weights.data().get(SHORT, 2 * index) << 16);
            case F64, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(
                            weights.name() + ": no float matrix of " + weights.type());
        };
    }
}
