package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.HALF_SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;

import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Dot products of 16 partial sums: element k goes to partial k mod 16 by `fma` in ascending k, and
/// the partials are added by halves. A vector of 16 lanes is all of them, two of 8, four of 4.
final class VectorFloatProduct {

    private VectorFloatProduct() {}

    static void multiply(
            Matrix.Float weights,
            int fromRow,
            int toRow,
            float[] x,
            int xStride,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        for (int row = fromRow; row < toRow; row++) {
            widen(weights, row, workspace);
            for (int token = 0; token < tokens; token++) {
                out[outOffset + token * outStride + row] =
                        dot(workspace.weights, 0, x, token * xStride, weights.columns(), workspace);
            }
        }
    }

    static float dot(float[] a, int aOffset, float[] b, int bOffset, int n, Workspace workspace) {
        FloatVector p0 = FloatVector.zero(FLOATS);
        FloatVector p1 = p0;
        FloatVector p2 = p0;
        FloatVector p3 = p0;
        int end = n & -16;
        for (int k = 0; k < end; k += 16) {
            p0 = fma(a, aOffset + k, b, bOffset + k, p0);
            if (FLOAT_LANES < 16) {
                p1 = fma(a, aOffset + k + FLOAT_LANES, b, bOffset + k + FLOAT_LANES, p1);
            }
            if (FLOAT_LANES < 8) {
                p2 = fma(a, aOffset + k + 2 * FLOAT_LANES, b, bOffset + k + 2 * FLOAT_LANES, p2);
                p3 = fma(a, aOffset + k + 3 * FLOAT_LANES, b, bOffset + k + 3 * FLOAT_LANES, p3);
            }
        }
        if (end == n) {
            return VectorShapes.sumByHalves(p0, p1, p2, p3);
        }
        float[] partials = workspace.partials;
        p0.intoArray(partials, 0);
        if (FLOAT_LANES < 16) {
            p1.intoArray(partials, FLOAT_LANES);
        }
        if (FLOAT_LANES < 8) {
            p2.intoArray(partials, 2 * FLOAT_LANES);
            p3.intoArray(partials, 3 * FLOAT_LANES);
        }
        for (int k = end; k < n; k++) {
            partials[k - end] = Math.fma(a[aOffset + k], b[bOffset + k], partials[k - end]);
        }
        return ScalarKernels.sumByHalves(partials);
    }

    private static FloatVector fma(
            float[] a, int aIndex, float[] b, int bIndex, FloatVector accumulator) {
        return FloatVector.fromArray(FLOATS, a, aIndex)
                .fma(FloatVector.fromArray(FLOATS, b, bIndex), accumulator);
    }

    /// One row of weights as floats.
    private static void widen(Matrix.Float weights, int row, Workspace into) {
        int columns = weights.columns();
        long start = (long) row * columns;
        switch (weights.type()) {
            case F32 ->
                    MemorySegment.copy(
                            weights.data(),
                            ScalarKernels.FLOAT,
                            4 * start,
                            into.weights,
                            0,
                            columns);
            case F16 -> widenHalves(weights.data(), 2 * start, columns, into.weights, into.halves);
            case BF16 -> widenBrainFloats(weights, row, into.weights);
            case F64, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(
                            weights.name() + ": no float matrix of " + weights.type());
        }
    }

    /// F16 to float: a plain loop over arrays, which the compiler turns into the machine's
    /// conversion; the Vector API has none.
    static void widenHalves(
            MemorySegment source, long offset, int count, float[] out, short[] buffer) {
        MemorySegment.copy(source, ScalarKernels.SHORT, offset, buffer, 0, count);
        for (int i = 0; i < count; i++) {
            out[i] = Float.float16ToFloat(buffer[i]);
        }
    }

    private static void widenBrainFloats(Matrix.Float weights, int row, float[] out) {
        int columns = weights.columns();
        long start = 2L * row * columns;
        int end = columns / FLOAT_LANES * FLOAT_LANES;
        for (int k = 0; k < end; k += FLOAT_LANES) {
            ShortVector.fromMemorySegment(
                            HALF_SHORTS, weights.data(), start + 2L * k, ByteOrder.LITTLE_ENDIAN)
                    .convertShape(VectorOperators.S2I, INTS, 0)
                    .reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .intoArray(out, k);
        }
        for (int k = end; k < columns; k++) {
            out[k] = ScalarKernels.weight(weights, row, k);
        }
    }
}
