package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.HALF_BYTES;
import static dev.tokenlog.engine.compute.VectorShapes.HALF_SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.QUARTER_BYTES;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;

import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
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
/// With few tokens, lanes are columns, and a block is summed across its lanes. Beside 8-bit
/// activations weights are unpacked to 16-bit integers, multiplied in 16-bit lanes (`|q_w · q_x| ≤
/// 128 · 127` fits) and added in 32-bit lanes; beside 12-bit activations codes are floats.
///
/// With many, lanes are tokens: activations are also kept transposed, a weight is broadcast, and
/// nothing is summed across lanes. Codes are then kept as floats, because a float's fused
/// multiply-add is the widest one there is: a block's sum stays below `32 · 128 · 2047 < 2²⁴`, so
/// every step of it is exact, and the sum needs no conversion.
///
/// The integer sums are exact either way and the rest happens in the same order: the same bits.
final class VectorQuantizedProduct {

    /// From here on, lanes are tokens.
    static final int MANY_TOKENS = Math.max(2, FLOAT_LANES / 4);

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
            boolean wide = x.code() == ActivationCode.BITS_12;
            for (int row = fromRow; row < toRow; row++) {
                if (wide) {
                    unpackToFloats(weights, row, 0, x, workspace);
                } else {
                    unpack(weights, row, 0, x, workspace);
                }
                for (int token = 0; token < tokens; token++) {
                    out[outOffset + token * outStride + row] =
                            wide ? floatDot(x, token, workspace) : dot(x, token, workspace);
                }
            }
            return;
        }
        int pair = 2 * FLOAT_LANES;
        for (int row = fromRow; row < toRow; row += ROWS) {
            int rows = Math.min(ROWS, toRow - row);
            for (int i = 0; i < ROWS; i++) {
                // Missing rows are the last one again, and are not stored.
                unpackToFloats(weights, row + Math.min(i, rows - 1), i, x, workspace);
            }
            for (int first = 0; first < tokens; first += pair) {
                int count = Math.min(pair, tokens - first);
                int tile = first / FLOAT_LANES;
                if (count <= FLOAT_LANES) {
                    multiplyTile(x, tile, workspace);
                } else {
                    multiplyTwoTiles(x, tile, workspace);
                }
                int to = outOffset + first * outStride + row;
                scatter(workspace.tile, rows, count, out, to, outStride);
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

        unpackScales(weights, row, into.scales, slot * blocks, blocks);
    }

    /// The scale of each block of a row.
    private static void unpackScales(
            Matrix.Quantized weights, int row, float[] scales, int offset, int blocks) {
        MemorySegment halves = weights.scales();
        int groups = weights.groupsPerRow();
        long start = 2L * row * groups;
        if (groups == blocks) {
            for (int block = 0; block < blocks; block++) {
                scales[offset + block] =
                        Float.float16ToFloat(halves.get(ScalarKernels.SHORT, start + 2L * block));
            }
            return;
        }
        int groupBlocks = groups == 1 ? blocks : weights.groupSize() / BLOCK;
        for (int group = 0; group < groups; group++) {
            float scale = Float.float16ToFloat(halves.get(ScalarKernels.SHORT, start + 2L * group));
            int from = group * groupBlocks;
            int to = Math.min(from + groupBlocks, blocks);
            Arrays.fill(scales, offset + from, offset + to, scale);
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
                // Two products are one 32-bit lane: its low half, sign extended, and its high half.
                IntVector pairs = products.reinterpretAsInts();
                sums =
                        sums.add(
                                        pairs.lanewise(VectorOperators.LSHL, 16)
                                                .lanewise(VectorOperators.ASHR, 16))
                                .add(pairs.lanewise(VectorOperators.ASHR, 16));
            }
            int sum = sums.reduceLanes(VectorOperators.ADD);
            float scale = weightScales[block] * scales[offset + block];
            accumulator = Math.fma((float) sum, scale, accumulator);
        }
        return accumulator;
    }

    /// The same as [#dot], with codes as floats.
    private static float floatDot(QuantizedActivations x, int token, Workspace workspace) {
        float[] weights = workspace.weights;
        float[] weightScales = workspace.scales;
        float[] codes = x.floatCodes();
        float[] scales = x.scales();
        int blocks = x.blocks();
        int offset = token * blocks;
        float accumulator = 0f;
        for (int block = 0; block < blocks; block++) {
            FloatVector sums = FloatVector.zero(FLOATS);
            for (int i = 0; i < BLOCK; i += FLOAT_LANES) {
                sums =
                        FloatVector.fromArray(FLOATS, weights, block * BLOCK + i)
                                .fma(
                                        FloatVector.fromArray(
                                                FLOATS, codes, (offset + block) * BLOCK + i),
                                        sums);
            }
            // Exact, so in any order.
            float sum = sums.reduceLanes(VectorOperators.ADD);
            float scale = weightScales[block] * scales[offset + block];
            accumulator = Math.fma(sum, scale, accumulator);
        }
        return accumulator;
    }

    /// One row as floats, filled up with zeros to whole blocks, and its scale of every block.
    private static void unpackToFloats(
            Matrix.Quantized weights, int row, int slot, QuantizedActivations x, Workspace into) {
        if (weights.code() != NumberCode.INT8) {
            unpack(weights, row, slot, x, into);
            toFloats(into, slot * x.blocks() * BLOCK, x.blocks() * BLOCK);
            return;
        }
        int blocks = x.blocks();
        int start = slot * blocks * BLOCK;
        MemorySegment bytes = weights.codes();
        long first = row * weights.bytesPerRow();
        int columns = weights.columns();
        int step = QUARTER_BYTES.length();
        int end = columns / step * step;
        for (int column = 0; column < end; column += step) {
            ByteVector codes =
                    ByteVector.fromMemorySegment(
                            QUARTER_BYTES, bytes, first + column, ByteOrder.LITTLE_ENDIAN);
            for (int part = 0; part < step / FLOAT_LANES; part++) {
                codes.convertShape(VectorOperators.B2F, FLOATS, part)
                        .reinterpretAsFloats()
                        .intoArray(into.weights, start + column + part * FLOAT_LANES);
            }
        }
        for (int column = end; column < columns; column++) {
            into.weights[start + column] = ScalarKernels.code(weights, row, column);
        }
        Arrays.fill(into.weights, start + columns, start + blocks * BLOCK, 0f);
        unpackScales(weights, row, into.scales, slot * blocks, blocks);
    }

    private static void toFloats(Workspace workspace, int from, int count) {
        for (int i = from; i < from + count; i += FLOAT_LANES) {
            ShortVector.fromArray(HALF_SHORTS, workspace.codes, i)
                    .convertShape(VectorOperators.S2F, FLOATS, 0)
                    .reinterpretAsFloats()
                    .intoArray(workspace.weights, i);
        }
    }

    /// Four rows times one tile of tokens, to `[row][token]` of the workspace.
    private static void multiplyTile(QuantizedActivations x, int tile, Workspace workspace) {
        float[] w = workspace.weights;
        float[] weightScales = workspace.scales;
        float[] codes = x.floatCodes();
        float[] scales = x.transposedScales();
        int blocks = x.blocks();
        int row = blocks * BLOCK;
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int block = 0; block < blocks; block++) {
            FloatVector s0 = FloatVector.zero(FLOATS);
            FloatVector s1 = s0;
            FloatVector s2 = s0;
            FloatVector s3 = s0;
            int from = block * BLOCK;
            for (int c = from; c < from + BLOCK; c++) {
                FloatVector v =
                        FloatVector.fromArray(FLOATS, codes, (tile * row + c) * FLOAT_LANES);
                s0 = v.fma(FloatVector.broadcast(FLOATS, w[c]), s0);
                s1 = v.fma(FloatVector.broadcast(FLOATS, w[row + c]), s1);
                s2 = v.fma(FloatVector.broadcast(FLOATS, w[2 * row + c]), s2);
                s3 = v.fma(FloatVector.broadcast(FLOATS, w[3 * row + c]), s3);
            }
            FloatVector scale =
                    FloatVector.fromArray(FLOATS, scales, (tile * blocks + block) * FLOAT_LANES);
            a0 = s0.fma(scale.mul(weightScales[block]), a0);
            a1 = s1.fma(scale.mul(weightScales[blocks + block]), a1);
            a2 = s2.fma(scale.mul(weightScales[2 * blocks + block]), a2);
            a3 = s3.fma(scale.mul(weightScales[3 * blocks + block]), a3);
        }
        a0.intoArray(workspace.tile, 0);
        a1.intoArray(workspace.tile, 2 * FLOAT_LANES);
        a2.intoArray(workspace.tile, 4 * FLOAT_LANES);
        a3.intoArray(workspace.tile, 6 * FLOAT_LANES);
    }

    /// The same for two tiles of tokens, so that each broadcast weight is used twice.
    private static void multiplyTwoTiles(QuantizedActivations x, int tile, Workspace workspace) {
        float[] w = workspace.weights;
        float[] weightScales = workspace.scales;
        float[] codes = x.floatCodes();
        float[] scales = x.transposedScales();
        int blocks = x.blocks();
        int row = blocks * BLOCK;
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        FloatVector b0 = a0;
        FloatVector b1 = a0;
        FloatVector b2 = a0;
        FloatVector b3 = a0;
        for (int block = 0; block < blocks; block++) {
            FloatVector s0 = FloatVector.zero(FLOATS);
            FloatVector s1 = s0;
            FloatVector s2 = s0;
            FloatVector s3 = s0;
            FloatVector t0 = s0;
            FloatVector t1 = s0;
            FloatVector t2 = s0;
            FloatVector t3 = s0;
            int from = block * BLOCK;
            for (int c = from; c < from + BLOCK; c++) {
                int at = (tile * row + c) * FLOAT_LANES;
                FloatVector v = FloatVector.fromArray(FLOATS, codes, at);
                FloatVector u = FloatVector.fromArray(FLOATS, codes, at + row * FLOAT_LANES);
                FloatVector w0 = FloatVector.broadcast(FLOATS, w[c]);
                FloatVector w1 = FloatVector.broadcast(FLOATS, w[row + c]);
                FloatVector w2 = FloatVector.broadcast(FLOATS, w[2 * row + c]);
                FloatVector w3 = FloatVector.broadcast(FLOATS, w[3 * row + c]);
                s0 = v.fma(w0, s0);
                t0 = u.fma(w0, t0);
                s1 = v.fma(w1, s1);
                t1 = u.fma(w1, t1);
                s2 = v.fma(w2, s2);
                t2 = u.fma(w2, t2);
                s3 = v.fma(w3, s3);
                t3 = u.fma(w3, t3);
            }
            int at = (tile * blocks + block) * FLOAT_LANES;
            FloatVector scaleV = FloatVector.fromArray(FLOATS, scales, at);
            FloatVector scaleU = FloatVector.fromArray(FLOATS, scales, at + blocks * FLOAT_LANES);
            a0 = s0.fma(scaleV.mul(weightScales[block]), a0);
            b0 = t0.fma(scaleU.mul(weightScales[block]), b0);
            a1 = s1.fma(scaleV.mul(weightScales[blocks + block]), a1);
            b1 = t1.fma(scaleU.mul(weightScales[blocks + block]), b1);
            a2 = s2.fma(scaleV.mul(weightScales[2 * blocks + block]), a2);
            b2 = t2.fma(scaleU.mul(weightScales[2 * blocks + block]), b2);
            a3 = s3.fma(scaleV.mul(weightScales[3 * blocks + block]), a3);
            b3 = t3.fma(scaleU.mul(weightScales[3 * blocks + block]), b3);
        }
        a0.intoArray(workspace.tile, 0);
        b0.intoArray(workspace.tile, FLOAT_LANES);
        a1.intoArray(workspace.tile, 2 * FLOAT_LANES);
        b1.intoArray(workspace.tile, 3 * FLOAT_LANES);
        a2.intoArray(workspace.tile, 4 * FLOAT_LANES);
        b2.intoArray(workspace.tile, 5 * FLOAT_LANES);
        a3.intoArray(workspace.tile, 6 * FLOAT_LANES);
        b3.intoArray(workspace.tile, 7 * FLOAT_LANES);
    }

    /// Rows times tokens of the workspace to their place.
    private static void scatter(
            float[] tile, int rows, int tokens, float[] out, int offset, int stride) {
        for (int token = 0; token < tokens; token++) {
            for (int row = 0; row < rows; row++) {
                out[offset + token * stride + row] = tile[row * 2 * FLOAT_LANES + token];
            }
        }
    }
}
