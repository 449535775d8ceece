package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.TiledMatrix.ROWS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;
import static dev.tokenlog.engine.compute.Workspace.PRODUCT_ROWS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Sums of blocks for one token, and what becomes of sums where they are not just multiplied by
/// their scales: zero points, and operands of 16 bits.
final class VectorSums {

    private VectorSums() {}

    /// One block of one tile, `[column][row]` of `w`, times one token.
    static void shorts(short[] w, int[] x, int codes, short[] sums) {
        for (int lane = 0; lane < ROWS; lane += SHORT_LANES) {
            ShortVector even = ShortVector.zero(SHORTS);
            ShortVector odd = even;
            for (int c = 0; c < BLOCK; c += 2) {
                int at = c * PRODUCT_ROWS + lane;
                even =
                        even.add(
                                ShortVector.fromArray(SHORTS, w, at)
                                        .mul(
                                                IntVector.broadcast(INTS, x[codes + c])
                                                        .reinterpretAsShorts()));
                odd =
                        odd.add(
                                ShortVector.fromArray(SHORTS, w, at + PRODUCT_ROWS)
                                        .mul(
                                                IntVector.broadcast(INTS, x[codes + c + 1])
                                                        .reinterpretAsShorts()));
            }
            even.add(odd).intoArray(sums, lane);
        }
    }

    /// The same in floats.
    static void floats(float[] w, int[] x, int codes, float[] sums) {
        for (int lane = 0; lane < ROWS; lane += FLOAT_LANES) {
            FloatVector even = FloatVector.zero(FLOATS);
            FloatVector odd = even;
            for (int c = 0; c < BLOCK; c += 2) {
                int at = c * PRODUCT_ROWS + lane;
                even =
                        FloatVector.fromArray(FLOATS, w, at)
                                .fma(
                                        IntVector.broadcast(INTS, x[codes + c])
                                                .reinterpretAsFloats(),
                                        even);
                odd =
                        FloatVector.fromArray(FLOATS, w, at + PRODUCT_ROWS)
                                .fma(
                                        IntVector.broadcast(INTS, x[codes + c + 1])
                                                .reinterpretAsFloats(),
                                        odd);
            }
            even.add(odd).intoArray(sums, lane);
        }
    }

    /// `Σ (q − centre) · q_x + (centre − z) · Σ q_x`, an exact integer, times the scales. The order
    /// of lanes is that of [VectorQuantizedProduct].
    static void addShorts(
            Workspace workspace, int rows, float[] scales, float[] sums, int from, int tokens) {
        float[] accumulators = workspace.accumulators;
        for (int lane = 0; lane < rows; lane += SHORT_LANES) {
            int row = lane / ROWS * ROWS + lane % ROWS / 2;
            for (int token = 0; token < tokens; token++) {
                IntVector pairs =
                        ShortVector.fromArray(
                                        SHORTS, workspace.shortSums, token * PRODUCT_ROWS + lane)
                                .reinterpretAsInts();
                float sum = sums[from + token];
                FloatVector low =
                        FloatVector.fromArray(FLOATS, workspace.zeros, row)
                                .fma(
                                        FloatVector.broadcast(FLOATS, sum),
                                        (FloatVector)
                                                pairs.lanewise(VectorOperators.LSHL, 16)
                                                        .lanewise(VectorOperators.ASHR, 16)
                                                        .convert(VectorOperators.I2F, 0));
                FloatVector high =
                        FloatVector.fromArray(FLOATS, workspace.zeros, row + ROWS / 2)
                                .fma(
                                        FloatVector.broadcast(FLOATS, sum),
                                        (FloatVector)
                                                pairs.lanewise(VectorOperators.ASHR, 16)
                                                        .convert(VectorOperators.I2F, 0));
                float scale = scales[from + token];
                int at = token * PRODUCT_ROWS + row;
                low.fma(
                                FloatVector.fromArray(FLOATS, workspace.scales, row).mul(scale),
                                FloatVector.fromArray(FLOATS, accumulators, at))
                        .intoArray(accumulators, at);
                high.fma(
                                FloatVector.fromArray(FLOATS, workspace.scales, row + ROWS / 2)
                                        .mul(scale),
                                FloatVector.fromArray(FLOATS, accumulators, at + ROWS / 2))
                        .intoArray(accumulators, at + ROWS / 2);
            }
        }
    }

    /// The same for sums in floats.
    static void addFloats(
            Workspace workspace, int rows, float[] scales, float[] sums, int from, int tokens) {
        float[] accumulators = workspace.accumulators;
        for (int row = 0; row < rows; row += FLOAT_LANES) {
            FloatVector rowScale = FloatVector.fromArray(FLOATS, workspace.scales, row);
            FloatVector rowZero = FloatVector.fromArray(FLOATS, workspace.zeros, row);
            for (int token = 0; token < tokens; token++) {
                int at = token * PRODUCT_ROWS + row;
                rowZero.fma(
                                FloatVector.broadcast(FLOATS, sums[from + token]),
                                FloatVector.fromArray(FLOATS, workspace.floatSums, at))
                        .fma(
                                rowScale.mul(scales[from + token]),
                                FloatVector.fromArray(FLOATS, accumulators, at))
                        .intoArray(accumulators, at);
            }
        }
    }

    /// `256 · upper + lower` in 32-bit integers, rounded once to float, times the scales.
    static void addWide(Workspace workspace, int rows, float[] scales, int from, int tokens) {
        float[] accumulators = workspace.accumulators;
        for (int row = 0; row < rows; row += FLOAT_LANES) {
            FloatVector rowScale = FloatVector.fromArray(FLOATS, workspace.scales, row);
            for (int token = 0; token < tokens; token++) {
                int at = token * PRODUCT_ROWS + row;
                IntVector upper =
                        (IntVector)
                                FloatVector.fromArray(FLOATS, workspace.floatSums, at)
                                        .convert(VectorOperators.F2I, 0);
                IntVector lower =
                        (IntVector)
                                FloatVector.fromArray(FLOATS, workspace.lowerSums, at)
                                        .convert(VectorOperators.F2I, 0);
                FloatVector sum =
                        (FloatVector)
                                upper.lanewise(VectorOperators.LSHL, 8)
                                        .add(lower)
                                        .convert(VectorOperators.I2F, 0);
                sum.fma(
                                rowScale.mul(scales[from + token]),
                                FloatVector.fromArray(FLOATS, accumulators, at))
                        .intoArray(accumulators, at);
            }
        }
    }
}
