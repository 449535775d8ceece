package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.HALF_BYTES;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;

import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// `acc = fma((float) Σ q_w · q_x, s_w · s_x, acc)` over blocks of 32 columns.
///
/// Weights are unpacked once per row (or four rows) to 16-bit integers and multiplied in 16-bit
/// lanes: `|q_w| ≤ 128` and `|q_x| ≤ 127`, so that the sum of two products of 8-bit weights, or of
/// all 32 products of 4-bit weights (`|q_w| ≤ 8`), fits.
///
/// With few tokens, lanes are columns and a block is summed across its lanes. With many, lanes are
/// tokens: activations are also kept transposed, a weight is broadcast, and nothing is summed
/// across lanes. The integer sums are exact and the rest happens in the same order, so both give
/// the same bits.
final class VectorQuantizedProduct {

    /// From here on, lanes are tokens.
    static final int MANY_TOKENS = Math.max(4, SHORT_LANES * 3 / 8);

    private static final int ROWS = Workspace.WEIGHT_ROWS;

    private VectorQuantizedProduct() {}

    static void multiply(
            Matrix.Quantized weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        if (tokens < MANY_TOKENS) {
            for (int row = fromRow; row < toRow; row++) {
                unpack(weights, row, 0, x, workspace);
                for (int token = 0; token < tokens; token++) {
                    out[outOffset + token * outStride + row] = dot(x, token, workspace);
                }
            }
            return;
        }
        for (int row = fromRow; row < toRow; row += ROWS) {
            int rows = Math.min(ROWS, toRow - row);
            for (int i = 0; i < ROWS; i++) {
                // Missing rows are the last one again, and are not stored.
                unpack(weights, row + Math.min(i, rows - 1), i, x, workspace);
            }
            for (int first = 0; first < tokens; first += SHORT_LANES) {
                switch (weights.code()) {
                    case INT4 -> tile4(x, first / SHORT_LANES, workspace);
                    case INT8 -> tile8(x, first / SHORT_LANES, workspace);
                }
                int count = Math.min(SHORT_LANES, tokens - first);
                scatter(
                        workspace.tile,
                        rows,
                        count,
                        out,
                        outOffset + first * outStride + row,
                        outStride);
            }
        }
    }

    /// One row as 16-bit integers, filled up with zeros to whole blocks, and its scale of every
    /// block.
    private static void unpack(
            Matrix.Quantized weights, int row, int slot, QuantizedActivations x, Workspace into) {
        int blocks = x.blocks();
        int codes = slot * blocks * BLOCK;
        int done =
                switch (weights.code()) {
                    case INT8 -> unpack8(weights, row, into.codes, codes);
                    case INT4 -> unpack4(weights, row, into.codes, codes);
                };
        for (int column = done; column < weights.columns(); column++) {
            into.codes[codes + column] = (short) ScalarKernels.code(weights, row, column);
        }
        Arrays.fill(into.codes, codes + weights.columns(), codes + blocks * BLOCK, (short) 0);

        int groupBlocks = weights.groupSize() / BLOCK;
        int scales = slot * blocks;
        if (weights.groupsPerRow() == 1) {
            float scale = ScalarKernels.weightScale(weights, row, 0);
            Arrays.fill(into.scales, scales, scales + blocks, scale);
        } else {
            for (int block = 0; block < blocks; block++) {
                into.scales[scales + block] =
                        ScalarKernels.weightScale(weights, row, block / groupBlocks);
            }
        }
    }

    /// @return columns done
    private static int unpack8(Matrix.Quantized weights, int row, short[] codes, int offset) {
        MemorySegment bytes = weights.codes();
        long start = row * weights.bytesPerRow();
        int end = weights.columns() / SHORT_LANES * SHORT_LANES;
        for (int column = 0; column < end; column += SHORT_LANES) {
            ByteVector.fromMemorySegment(HALF_BYTES, bytes, start + column, ByteOrder.LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2S, SHORTS, 0)
                    .reinterpretAsShorts()
                    .intoArray(codes, offset + column);
        }
        return end;
    }

    /// A byte holds two codes; as 16 bits, the high one moves to the high byte, which puts them in
    /// the order of their columns.
    private static int unpack4(Matrix.Quantized weights, int row, short[] codes, int offset) {
        MemorySegment bytes = weights.codes();
        long start = row * weights.bytesPerRow();
        int step = 2 * SHORT_LANES;
        int end = weights.columns() / step * step;
        for (int column = 0; column < end; column += step) {
            ShortVector pairs =
                    (ShortVector)
                            ByteVector.fromMemorySegment(
                                            HALF_BYTES,
                                            bytes,
                                            start + column / 2,
                                            ByteOrder.LITTLE_ENDIAN)
                                    .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORTS, 0);
            ByteVector apart =
                    pairs.lanewise(VectorOperators.LSHL, 4)
                            .or(pairs)
                            .and((short) 0x0f0f)
                            .reinterpretAsBytes();
            ShortVector low = (ShortVector) apart.convertShape(VectorOperators.B2S, SHORTS, 0);
            ShortVector high = (ShortVector) apart.convertShape(VectorOperators.B2S, SHORTS, 1);
            low.sub((short) 8).intoArray(codes, offset + column);
            high.sub((short) 8).intoArray(codes, offset + column + SHORT_LANES);
        }
        return end;
    }

    /// One row and one token, lanes are columns.
    private static float dot(QuantizedActivations x, int token, Workspace workspace) {
        short[] weightCodes = workspace.codes;
        float[] weightScales = workspace.scales;
        short[] codes = x.codes();
        float[] scales = x.scales();
        int blocks = x.blocks();
        int offset = token * blocks;
        float accumulator = 0f;
        for (int block = 0; block < blocks; block++) {
            IntVector sums = IntVector.zero(INTS);
            for (int i = 0; i < BLOCK; i += SHORT_LANES) {
                ShortVector products =
                        ShortVector.fromArray(SHORTS, weightCodes, block * BLOCK + i)
                                .mul(
                                        ShortVector.fromArray(
                                                SHORTS, codes, (offset + block) * BLOCK + i));
                sums = sums.add(even(products)).add(odd(products));
            }
            int sum = sums.reduceLanes(VectorOperators.ADD);
            float scale = weightScales[block] * scales[offset + block];
            accumulator = Math.fma((float) sum, scale, accumulator);
        }
        return accumulator;
    }

    private static IntVector even(ShortVector pairs) {
        return pairs.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, 16)
                .lanewise(VectorOperators.ASHR, 16);
    }

    private static IntVector odd(ShortVector pairs) {
        return pairs.reinterpretAsInts().lanewise(VectorOperators.ASHR, 16);
    }

    /// Four rows of 4-bit weights and a tile of tokens: lanes are tokens.
    private static void tile4(QuantizedActivations x, int tile, Workspace workspace) {
        short[] w = workspace.codes;
        float[] ws = workspace.scales;
        short[] codes = x.transposedCodes();
        float[] scales = x.transposedScales();
        int blocks = x.blocks();
        int row = blocks * BLOCK;
        FloatVector e0 = FloatVector.zero(FLOATS);
        FloatVector o0 = e0;
        FloatVector e1 = e0;
        FloatVector o1 = e0;
        FloatVector e2 = e0;
        FloatVector o2 = e0;
        FloatVector e3 = e0;
        FloatVector o3 = e0;
        for (int block = 0; block < blocks; block++) {
            ShortVector s0 = ShortVector.zero(SHORTS);
            ShortVector s1 = s0;
            ShortVector s2 = s0;
            ShortVector s3 = s0;
            int from = block * BLOCK;
            for (int c = from; c < from + BLOCK; c++) {
                ShortVector v =
                        ShortVector.fromArray(SHORTS, codes, (tile * row + c) * SHORT_LANES);
                s0 = s0.add(v.mul(w[c]));
                s1 = s1.add(v.mul(w[row + c]));
                s2 = s2.add(v.mul(w[2 * row + c]));
                s3 = s3.add(v.mul(w[3 * row + c]));
            }
            int at = (tile * blocks + block) * SHORT_LANES;
            FloatVector evenScales = FloatVector.fromArray(FLOATS, scales, at);
            FloatVector oddScales = FloatVector.fromArray(FLOATS, scales, at + FLOAT_LANES);
            e0 = accumulate(even(s0), evenScales, ws[block], e0);
            o0 = accumulate(odd(s0), oddScales, ws[block], o0);
            e1 = accumulate(even(s1), evenScales, ws[blocks + block], e1);
            o1 = accumulate(odd(s1), oddScales, ws[blocks + block], o1);
            e2 = accumulate(even(s2), evenScales, ws[2 * blocks + block], e2);
            o2 = accumulate(odd(s2), oddScales, ws[2 * blocks + block], o2);
            e3 = accumulate(even(s3), evenScales, ws[3 * blocks + block], e3);
            o3 = accumulate(odd(s3), oddScales, ws[3 * blocks + block], o3);
        }
        float[] out = workspace.tile;
        e0.intoArray(out, 0);
        o0.intoArray(out, FLOAT_LANES);
        e1.intoArray(out, 2 * FLOAT_LANES);
        o1.intoArray(out, 3 * FLOAT_LANES);
        e2.intoArray(out, 4 * FLOAT_LANES);
        o2.intoArray(out, 5 * FLOAT_LANES);
        e3.intoArray(out, 6 * FLOAT_LANES);
        o3.intoArray(out, 7 * FLOAT_LANES);
    }

    /// The same for 8-bit weights: two products fit in 16 bits, then they are widened.
    private static void tile8(QuantizedActivations x, int tile, Workspace workspace) {
        short[] w = workspace.codes;
        float[] ws = workspace.scales;
        short[] codes = x.transposedCodes();
        float[] scales = x.transposedScales();
        int blocks = x.blocks();
        int row = blocks * BLOCK;
        FloatVector e0 = FloatVector.zero(FLOATS);
        FloatVector o0 = e0;
        FloatVector e1 = e0;
        FloatVector o1 = e0;
        FloatVector e2 = e0;
        FloatVector o2 = e0;
        FloatVector e3 = e0;
        FloatVector o3 = e0;
        for (int block = 0; block < blocks; block++) {
            IntVector es0 = IntVector.zero(INTS);
            IntVector os0 = es0;
            IntVector es1 = es0;
            IntVector os1 = es0;
            IntVector es2 = es0;
            IntVector os2 = es0;
            IntVector es3 = es0;
            IntVector os3 = es0;
            int from = block * BLOCK;
            for (int c = from; c < from + BLOCK; c += 2) {
                int at = (tile * row + c) * SHORT_LANES;
                ShortVector v = ShortVector.fromArray(SHORTS, codes, at);
                ShortVector u = ShortVector.fromArray(SHORTS, codes, at + SHORT_LANES);
                ShortVector p0 = v.mul(w[c]).add(u.mul(w[c + 1]));
                es0 = es0.add(even(p0));
                os0 = os0.add(odd(p0));
                ShortVector p1 = v.mul(w[row + c]).add(u.mul(w[row + c + 1]));
                es1 = es1.add(even(p1));
                os1 = os1.add(odd(p1));
                ShortVector p2 = v.mul(w[2 * row + c]).add(u.mul(w[2 * row + c + 1]));
                es2 = es2.add(even(p2));
                os2 = os2.add(odd(p2));
                ShortVector p3 = v.mul(w[3 * row + c]).add(u.mul(w[3 * row + c + 1]));
                es3 = es3.add(even(p3));
                os3 = os3.add(odd(p3));
            }
            int at = (tile * blocks + block) * SHORT_LANES;
            FloatVector evenScales = FloatVector.fromArray(FLOATS, scales, at);
            FloatVector oddScales = FloatVector.fromArray(FLOATS, scales, at + FLOAT_LANES);
            e0 = accumulate(es0, evenScales, ws[block], e0);
            o0 = accumulate(os0, oddScales, ws[block], o0);
            e1 = accumulate(es1, evenScales, ws[blocks + block], e1);
            o1 = accumulate(os1, oddScales, ws[blocks + block], o1);
            e2 = accumulate(es2, evenScales, ws[2 * blocks + block], e2);
            o2 = accumulate(os2, oddScales, ws[2 * blocks + block], o2);
            e3 = accumulate(es3, evenScales, ws[3 * blocks + block], e3);
            o3 = accumulate(os3, oddScales, ws[3 * blocks + block], o3);
        }
        float[] out = workspace.tile;
        e0.intoArray(out, 0);
        o0.intoArray(out, FLOAT_LANES);
        e1.intoArray(out, 2 * FLOAT_LANES);
        o1.intoArray(out, 3 * FLOAT_LANES);
        e2.intoArray(out, 4 * FLOAT_LANES);
        o2.intoArray(out, 5 * FLOAT_LANES);
        e3.intoArray(out, 6 * FLOAT_LANES);
        o3.intoArray(out, 7 * FLOAT_LANES);
    }

    private static FloatVector accumulate(
            IntVector sums, FloatVector scales, float weightScale, FloatVector accumulator) {
        FloatVector exact = (FloatVector) sums.convert(VectorOperators.I2F, 0);
        return exact.fma(scales.mul(weightScale), accumulator);
    }

    /// A tile of rows times tokens to its place: even tokens lie before odd ones.
    private static void scatter(
            float[] tile, int rows, int tokens, float[] out, int offset, int stride) {
        for (int token = 0; token < tokens; token++) {
            int lane = lane(token);
            for (int row = 0; row < rows; row++) {
                out[offset + token * stride + row] = tile[row * SHORT_LANES + lane];
            }
        }
    }

    /// Where a token of a tile lies among 32-bit lanes.
    static int lane(int token) {
        return token / 2 + token % 2 * FLOAT_LANES;
    }
}
