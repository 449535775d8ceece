package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.VectorShapes.BY_1;
import static dev.tokenlog.engine.compute.VectorShapes.BY_2;
import static dev.tokenlog.engine.compute.VectorShapes.BY_4;
import static dev.tokenlog.engine.compute.VectorShapes.BY_8;
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
/// the partials are added by halves.
///
/// With few tokens a vector of 16 lanes is all partial sums, two of 8, four of 4. With a tile of
/// tokens side by side, lanes are tokens and there are 16 vectors of partial sums.
final class VectorFloatProduct {

    private static final int ROWS = Workspace.WEIGHT_ROWS;

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
        int columns = weights.columns();
        int tiled = columns % 16 == 0 ? tokens / FLOAT_LANES * FLOAT_LANES : 0;
        for (int first = 0; first < tiled; first += FLOAT_LANES) {
            transpose(x, first * xStride, xStride, columns, workspace.transposed);
            for (int row = fromRow; row < toRow; row += ROWS) {
                int rows = Math.min(ROWS, toRow - row);
                for (int i = 0; i < ROWS; i++) {
                    // Missing rows are the last one again, and are not stored.
                    widen(weights, row + Math.min(i, rows - 1), i * columns, workspace);
                }
                for (int quarter = 0; quarter < 4; quarter++) {
                    multiplyQuarter(workspace, columns, quarter);
                }
                int to = outOffset + first * outStride + row;
                addQuarters(workspace.tile, rows, out, to, outStride);
            }
        }
        if (tiled < tokens) {
            for (int row = fromRow; row < toRow; row++) {
                widen(weights, row, 0, workspace);
                for (int token = tiled; token < tokens; token++) {
                    int from = token * xStride;
                    out[outOffset + token * outStride + row] =
                            dot(workspace.weights, 0, x, from, columns, workspace);
                }
            }
        }
    }

    /// A tile of tokens to `[column][token]`.
    private static void transpose(float[] x, int offset, int stride, int columns, float[] out) {
        for (int lane = 0; lane < FLOAT_LANES; lane++) {
            int from = offset + lane * stride;
            for (int column = 0; column < columns; column++) {
                out[column * FLOAT_LANES + lane] = x[from + column];
            }
        }
    }

    /// Four rows times a tile of tokens, for a multiple of 16 columns: of the 16 partial sums those
    /// with `index mod 4 = quarter`, added by halves, to `[quarter][row][token]` of the workspace.
    private static void multiplyQuarter(Workspace workspace, int columns, int quarter) {
        float[] w = workspace.weights;
        float[] x = workspace.transposed;
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a4 = a0;
        FloatVector a8 = a0;
        FloatVector a12 = a0;
        FloatVector b0 = a0;
        FloatVector b4 = a0;
        FloatVector b8 = a0;
        FloatVector b12 = a0;
        FloatVector c0 = a0;
        FloatVector c4 = a0;
        FloatVector c8 = a0;
        FloatVector c12 = a0;
        FloatVector d0 = a0;
        FloatVector d4 = a0;
        FloatVector d8 = a0;
        FloatVector d12 = a0;
        for (int k = quarter; k < columns; k += 16) {
            FloatVector x0 = FloatVector.fromArray(FLOATS, x, k * FLOAT_LANES);
            a0 = x0.fma(FloatVector.broadcast(FLOATS, w[k]), a0);
            b0 = x0.fma(FloatVector.broadcast(FLOATS, w[columns + k]), b0);
            c0 = x0.fma(FloatVector.broadcast(FLOATS, w[2 * columns + k]), c0);
            d0 = x0.fma(FloatVector.broadcast(FLOATS, w[3 * columns + k]), d0);
            FloatVector x4 = FloatVector.fromArray(FLOATS, x, (k + 4) * FLOAT_LANES);
            a4 = x4.fma(FloatVector.broadcast(FLOATS, w[k + 4]), a4);
            b4 = x4.fma(FloatVector.broadcast(FLOATS, w[columns + k + 4]), b4);
            c4 = x4.fma(FloatVector.broadcast(FLOATS, w[2 * columns + k + 4]), c4);
            d4 = x4.fma(FloatVector.broadcast(FLOATS, w[3 * columns + k + 4]), d4);
            FloatVector x8 = FloatVector.fromArray(FLOATS, x, (k + 8) * FLOAT_LANES);
            a8 = x8.fma(FloatVector.broadcast(FLOATS, w[k + 8]), a8);
            b8 = x8.fma(FloatVector.broadcast(FLOATS, w[columns + k + 8]), b8);
            c8 = x8.fma(FloatVector.broadcast(FLOATS, w[2 * columns + k + 8]), c8);
            d8 = x8.fma(FloatVector.broadcast(FLOATS, w[3 * columns + k + 8]), d8);
            FloatVector x12 = FloatVector.fromArray(FLOATS, x, (k + 12) * FLOAT_LANES);
            a12 = x12.fma(FloatVector.broadcast(FLOATS, w[k + 12]), a12);
            b12 = x12.fma(FloatVector.broadcast(FLOATS, w[columns + k + 12]), b12);
            c12 = x12.fma(FloatVector.broadcast(FLOATS, w[2 * columns + k + 12]), c12);
            d12 = x12.fma(FloatVector.broadcast(FLOATS, w[3 * columns + k + 12]), d12);
        }
        int to = quarter * ROWS * FLOAT_LANES;
        a0.add(a8).add(a4.add(a12)).intoArray(workspace.tile, to);
        b0.add(b8).add(b4.add(b12)).intoArray(workspace.tile, to + FLOAT_LANES);
        c0.add(c8).add(c4.add(c12)).intoArray(workspace.tile, to + 2 * FLOAT_LANES);
        d0.add(d8).add(d4.add(d12)).intoArray(workspace.tile, to + 3 * FLOAT_LANES);
    }

    /// Adds the quarters by halves and puts rows times tokens to their place.
    private static void addQuarters(float[] tile, int rows, float[] out, int offset, int stride) {
        for (int row = 0; row < rows; row++) {
            FloatVector q0 = FloatVector.fromArray(FLOATS, tile, (0 * ROWS + row) * FLOAT_LANES);
            FloatVector q1 = FloatVector.fromArray(FLOATS, tile, (1 * ROWS + row) * FLOAT_LANES);
            FloatVector q2 = FloatVector.fromArray(FLOATS, tile, (2 * ROWS + row) * FLOAT_LANES);
            FloatVector q3 = FloatVector.fromArray(FLOATS, tile, (3 * ROWS + row) * FLOAT_LANES);
            q0.add(q2).add(q1.add(q3)).intoArray(tile, row * FLOAT_LANES);
        }
        for (int lane = 0; lane < FLOAT_LANES; lane++) {
            for (int row = 0; row < rows; row++) {
                out[offset + lane * stride + row] = tile[row * FLOAT_LANES + lane];
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
            p0 =
                    FloatVector.fromArray(FLOATS, a, aOffset + k)
                            .fma(FloatVector.fromArray(FLOATS, b, bOffset + k), p0);
            if (FLOAT_LANES < 16) {
                p1 =
                        FloatVector.fromArray(FLOATS, a, aOffset + k + FLOAT_LANES)
                                .fma(
                                        FloatVector.fromArray(FLOATS, b, bOffset + k + FLOAT_LANES),
                                        p1);
            }
            if (FLOAT_LANES < 8) {
                p2 =
                        FloatVector.fromArray(FLOATS, a, aOffset + k + 2 * FLOAT_LANES)
                                .fma(
                                        FloatVector.fromArray(
                                                FLOATS, b, bOffset + k + 2 * FLOAT_LANES),
                                        p2);
                p3 =
                        FloatVector.fromArray(FLOATS, a, aOffset + k + 3 * FLOAT_LANES)
                                .fma(
                                        FloatVector.fromArray(
                                                FLOATS, b, bOffset + k + 3 * FLOAT_LANES),
                                        p3);
            }
        }
        if (end == n) {
            FloatVector sum;
            if (FLOAT_LANES == 16) {
                sum = p0.add(p0.rearrange(BY_8));
                sum = sum.add(sum.rearrange(BY_4));
            } else if (FLOAT_LANES == 8) {
                sum = p0.add(p1);
                sum = sum.add(sum.rearrange(BY_4));
            } else {
                sum = p0.add(p2).add(p1.add(p3));
            }
            sum = sum.add(sum.rearrange(BY_2));
            return sum.add(sum.rearrange(BY_1)).lane(0);
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

    /// One row of weights as floats.
    private static void widen(Matrix.Float weights, int row, int to, Workspace into) {
        int columns = weights.columns();
        long start = (long) row * columns;
        float[] out = into.weights;
        MemorySegment data = weights.data();
        switch (weights.type()) {
            case F32 -> MemorySegment.copy(data, ScalarKernels.FLOAT, 4 * start, out, to, columns);
            case F16 -> widenHalves(data, 2 * start, columns, out, to, into.halves);
            case BF16 -> widenBrainFloats(weights, row, out, to);
            case F64, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(
                            weights.name() + ": no float matrix of " + weights.type());
        }
    }

    /// F16 to float: a plain loop over arrays, which the compiler turns into the machine's
    /// conversion; the Vector API has none.
    static void widenHalves(
            MemorySegment source, long offset, int count, float[] out, int to, short[] buffer) {
        MemorySegment.copy(source, ScalarKernels.SHORT, offset, buffer, 0, count);
        for (int i = 0; i < count; i++) {
            out[to + i] = Float.float16ToFloat(buffer[i]);
        }
    }

    private static void widenBrainFloats(Matrix.Float weights, int row, float[] out, int to) {
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
                    .intoArray(out, to + k);
        }
        for (int k = end; k < columns; k++) {
            out[to + k] = ScalarWeights.weight(weights, row, k);
        }
    }
}
