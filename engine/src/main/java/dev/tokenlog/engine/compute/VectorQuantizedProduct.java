package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.QuantizedActivations.TOKEN_UNIT;
import static dev.tokenlog.engine.compute.TiledMatrix.ROWS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;
import static dev.tokenlog.engine.compute.Workspace.PRODUCT_ROWS;
import static dev.tokenlog.engine.compute.Workspace.PRODUCT_TOKENS;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// `acc = fma((float) Σ q_w · q_x, s_w · s_x, acc)` over blocks of 32 columns. Lanes are rows; an
/// activation is broadcast.
///
/// With at least four tokens, a block of 64 rows is unpacked to memory once, multiplied by four
/// tokens at a time until [a round of tokens][Workspace#PRODUCT_TOKENS] is through, and their sums
/// are added to the accumulators. [TiledCode] says whether the block is added up in 16-bit integers
/// or in floats. Both are exact, so the order within a block does not matter, and blocks are added
/// in ascending order: the bits of [ScalarKernels].
final class VectorQuantizedProduct {

    private VectorQuantizedProduct() {}

    static void multiply(
            TiledMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        if (areFew(x)) {
            multiplyFew(weights, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
            return;
        }
        for (int first = 0; first < tokens; first += PRODUCT_TOKENS) {
            int count = Math.min(PRODUCT_TOKENS, tokens - first);
            int start = fromRow / ROWS * ROWS;
            for (int row = start; row < toRow; row += PRODUCT_ROWS) {
                int rows = Math.min(PRODUCT_ROWS, Math.ceilDiv(toRow - row, ROWS) * ROWS);
                multiplyRound(weights, row / ROWS, rows, x, first, count, workspace);
                int from = Math.max(row, fromRow);
                int wanted = Math.min(row + rows, toRow) - from;
                for (int token = 0; token < count; token++) {
                    System.arraycopy(
                            workspace.accumulators,
                            token * PRODUCT_ROWS + from - row,
                            out,
                            outOffset + (first + token) * outStride + from,
                            wanted);
                }
            }
        }
    }

    private static boolean areFew(QuantizedActivations x) {
        return x.tokens() < TOKEN_UNIT;
    }

    /// One token after the other, while a tile is in the first cache.
    private static void multiplyFew(
            TiledMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        float[] buffer = workspace.tile;
        TiledCode code = weights.code();
        for (int row = fromRow / ROWS * ROWS; row < toRow; row += ROWS) {
            int from = Math.max(row, fromRow);
            int wanted = Math.min(row + ROWS, toRow) - from;
            for (int token = 0; token < tokens; token++) {
                int to = outOffset + token * outStride + from;
                if (wanted == ROWS) {
                    code.multiplyOne(weights, row / ROWS, x, token, out, to, workspace);
                } else {
                    code.multiplyOne(weights, row / ROWS, x, token, buffer, 0, workspace);
                    System.arraycopy(buffer, from - row, out, to, wanted);
                }
            }
        }
    }

    /// One or two tiles times a round of tokens, to the accumulators.
    private static void multiplyRound(
            TiledMatrix weights,
            int tile,
            int rows,
            QuantizedActivations x,
            int first,
            int count,
            Workspace workspace) {
        int blocks = weights.blocks();
        int roundTokens = roundTokens(x, first);
        int padded = Math.ceilDiv(count, TOKEN_UNIT) * TOKEN_UNIT;
        Arrays.fill(workspace.accumulators, 0, count * PRODUCT_ROWS, 0f);
        for (int block = 0; block < blocks; block++) {
            for (int lane = 0; lane < rows; lane += ROWS) {
                unpack(weights, tile + lane / ROWS, block, workspace, lane);
            }
            int scales = first * blocks + block * roundTokens;
            int codes = scales * BLOCK;
            int[] lanes = x.lanes();
            switch (weights.code().sums()) {
                case SHORTS, SHORTS_AND_ZEROS ->
                        sumShorts(
                                workspace.shorts, rows, lanes, codes, padded, workspace.shortSums);
                case FLOATS, FLOATS_AND_ZEROS ->
                        sumFloats(
                                workspace.floats, rows, lanes, codes, padded, workspace.floatSums);
                case UPPER_AND_LOWER -> {
                    sumFloats(workspace.floats, rows, lanes, codes, padded, workspace.floatSums);
                    sumFloats(
                            workspace.lowerFloats, rows, lanes, codes, padded, workspace.lowerSums);
                }
            }
            add(weights.code().sums(), workspace, rows, x, scales, count);
        }
    }

    /// A block of a tile to the workspace, from row `lane` on, with the scales of a new group.
    private static void unpack(
            TiledMatrix weights, int tile, int block, Workspace workspace, int lane) {
        if (block % weights.groupBlocks() == 0) {
            VectorUnpacking.halves(
                    weights.tiles(),
                    weights.scalesAt(tile, block),
                    weights.unit(),
                    workspace.scales,
                    lane);
            if (weights.source().zeros() != null) {
                VectorUnpacking.halves(
                        weights.tiles(), weights.zerosAt(tile, block), 1f, workspace.zeros, lane);
            }
        }
        weights.code().unpack(weights, weights.codesAt(tile, block), workspace, lane);
    }

    /// Adds the sums of a block, for tokens whose scales begin at `from`, to the accumulators.
    private static void add(
            TiledCode.Sums sums,
            Workspace workspace,
            int rows,
            QuantizedActivations x,
            int from,
            int tokens) {
        float[] scales = x.laneScales();
        switch (sums) {
            case SHORTS -> addShorts(workspace, rows, scales, from, tokens);
            case SHORTS_AND_ZEROS ->
                    VectorSums.addShorts(workspace, rows, scales, x.laneSums(), from, tokens);
            case FLOATS -> addFloats(workspace, rows, scales, from, tokens);
            case FLOATS_AND_ZEROS ->
                    VectorSums.addFloats(workspace, rows, scales, x.laneSums(), from, tokens);
            case UPPER_AND_LOWER -> VectorSums.addWide(workspace, rows, scales, from, tokens);
        }
    }

    /// One of few tokens, for forms that have no better way: by way of memory, too.
    static void multiplyOne(
            TiledMatrix weights,
            int tile,
            QuantizedActivations x,
            int token,
            float[] out,
            int offset,
            Workspace workspace) {
        int blocks = weights.blocks();
        Arrays.fill(workspace.accumulators, 0, ROWS, 0f);
        for (int block = 0; block < blocks; block++) {
            unpack(weights, tile, block, workspace, 0);
            int at = token * blocks + block;
            switch (weights.code().sums()) {
                case SHORTS, SHORTS_AND_ZEROS ->
                        VectorSums.shorts(
                                workspace.shorts, x.lanes(), at * BLOCK, workspace.shortSums);
                case FLOATS, FLOATS_AND_ZEROS ->
                        VectorSums.floats(
                                workspace.floats, x.lanes(), at * BLOCK, workspace.floatSums);
                case UPPER_AND_LOWER -> {
                    VectorSums.floats(workspace.floats, x.lanes(), at * BLOCK, workspace.floatSums);
                    VectorSums.floats(
                            workspace.lowerFloats, x.lanes(), at * BLOCK, workspace.lowerSums);
                }
            }
            add(weights.code().sums(), workspace, ROWS, x, at, 1);
        }
        System.arraycopy(workspace.accumulators, 0, out, offset, ROWS);
    }

    /// Puts the codes and scales of a token where [#multiply] reads them: `[round of
    /// tokens][block][token][32]`, filled up to a multiple of four tokens; few tokens are a round
    /// each. Codes of 8 bits stand twice in 32 bits, since a broadcast of 32 bits costs less than
    /// one of 16; codes of 12 bits are floats.
    static void arrange(QuantizedActivations x, int token) {
        int blocks = x.blocks();
        int first = areFew(x) ? token : token / PRODUCT_TOKENS * PRODUCT_TOKENS;
        int roundTokens = roundTokens(x, first);
        short[] codes = x.codes();
        int[] lanes = x.lanes();
        for (int block = 0; block < blocks; block++) {
            int from = token * blocks + block;
            int to = first * blocks + block * roundTokens + token - first;
            x.laneScales()[to] = x.scales()[from];
            int sum = sum(codes, from * BLOCK);
            x.laneSums()[to] = sum;
            switch (x.code()) {
                case BITS_8 -> {
                    twice(codes, from * BLOCK, lanes, to * BLOCK);
                    if (areFew(x)) {
                        x.offsets()[from] = inBothHalves(-8 * sum);
                    }
                }
                case BITS_12 -> floatBits(codes, from * BLOCK, lanes, to * BLOCK);
            }
        }
    }

    /// Tokens of the round that begins at `first`, with those that fill it up.
    private static int roundTokens(QuantizedActivations x, int first) {
        if (areFew(x)) {
            return 1;
        }
        int tokens = Math.min(PRODUCT_TOKENS, x.tokens() - first);
        return Math.ceilDiv(tokens, TOKEN_UNIT) * TOKEN_UNIT;
    }

    private static int inBothHalves(int number) {
        return number & 0xffff | number << 16;
    }

    private static void twice(short[] codes, int from, int[] lanes, int to) {
        for (int i = 0; i < BLOCK; i++) {
            lanes[to + i] = inBothHalves(codes[from + i]);
        }
    }

    private static void floatBits(short[] codes, int from, int[] lanes, int to) {
        for (int i = 0; i < BLOCK; i++) {
            lanes[to + i] = Float.floatToRawIntBits(codes[from + i]);
        }
    }

    private static int sum(short[] codes, int from) {
        int sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += codes[from + i];
        }
        return sum;
    }

    /// One block, `[column][row]` of `w`, times tokens of `x`, to `[token][row]`.
    private static void sumShorts(
            short[] w, int rows, int[] x, int codes, int tokens, short[] sums) {
        for (int lane = 0; lane < rows; lane += 2 * SHORT_LANES) {
            for (int token = 0; token < tokens; token += TOKEN_UNIT) {
                ShortVector s0 = ShortVector.zero(SHORTS);
                ShortVector s1 = s0;
                ShortVector s2 = s0;
                ShortVector s3 = s0;
                ShortVector t0 = s0;
                ShortVector t1 = s0;
                ShortVector t2 = s0;
                ShortVector t3 = s0;
                int from = codes + token * BLOCK;
                for (int c = 0; c < BLOCK; c++) {
                    int at = c * PRODUCT_ROWS + lane;
                    ShortVector v = ShortVector.fromArray(SHORTS, w, at);
                    ShortVector u = ShortVector.fromArray(SHORTS, w, at + SHORT_LANES);
                    ShortVector x0 = IntVector.broadcast(INTS, x[from + c]).reinterpretAsShorts();
                    s0 = s0.add(v.mul(x0));
                    t0 = t0.add(u.mul(x0));
                    ShortVector x1 =
                            IntVector.broadcast(INTS, x[from + BLOCK + c]).reinterpretAsShorts();
                    s1 = s1.add(v.mul(x1));
                    t1 = t1.add(u.mul(x1));
                    ShortVector x2 =
                            IntVector.broadcast(INTS, x[from + 2 * BLOCK + c])
                                    .reinterpretAsShorts();
                    s2 = s2.add(v.mul(x2));
                    t2 = t2.add(u.mul(x2));
                    ShortVector x3 =
                            IntVector.broadcast(INTS, x[from + 3 * BLOCK + c])
                                    .reinterpretAsShorts();
                    s3 = s3.add(v.mul(x3));
                    t3 = t3.add(u.mul(x3));
                }
                int to = token * PRODUCT_ROWS + lane;
                s0.intoArray(sums, to);
                t0.intoArray(sums, to + SHORT_LANES);
                s1.intoArray(sums, to + PRODUCT_ROWS);
                t1.intoArray(sums, to + PRODUCT_ROWS + SHORT_LANES);
                s2.intoArray(sums, to + 2 * PRODUCT_ROWS);
                t2.intoArray(sums, to + 2 * PRODUCT_ROWS + SHORT_LANES);
                s3.intoArray(sums, to + 3 * PRODUCT_ROWS);
                t3.intoArray(sums, to + 3 * PRODUCT_ROWS + SHORT_LANES);
            }
        }
    }

    /// The same in floats.
    private static void sumFloats(
            float[] w, int rows, int[] x, int codes, int tokens, float[] sums) {
        for (int lane = 0; lane < rows; lane += 2 * FLOAT_LANES) {
            for (int token = 0; token < tokens; token += TOKEN_UNIT) {
                FloatVector s0 = FloatVector.zero(FLOATS);
                FloatVector s1 = s0;
                FloatVector s2 = s0;
                FloatVector s3 = s0;
                FloatVector t0 = s0;
                FloatVector t1 = s0;
                FloatVector t2 = s0;
                FloatVector t3 = s0;
                int from = codes + token * BLOCK;
                for (int c = 0; c < BLOCK; c++) {
                    int at = c * PRODUCT_ROWS + lane;
                    FloatVector v = FloatVector.fromArray(FLOATS, w, at);
                    FloatVector u = FloatVector.fromArray(FLOATS, w, at + FLOAT_LANES);
                    FloatVector x0 = IntVector.broadcast(INTS, x[from + c]).reinterpretAsFloats();
                    s0 = v.fma(x0, s0);
                    t0 = u.fma(x0, t0);
                    FloatVector x1 =
                            IntVector.broadcast(INTS, x[from + BLOCK + c]).reinterpretAsFloats();
                    s1 = v.fma(x1, s1);
                    t1 = u.fma(x1, t1);
                    FloatVector x2 =
                            IntVector.broadcast(INTS, x[from + 2 * BLOCK + c])
                                    .reinterpretAsFloats();
                    s2 = v.fma(x2, s2);
                    t2 = u.fma(x2, t2);
                    FloatVector x3 =
                            IntVector.broadcast(INTS, x[from + 3 * BLOCK + c])
                                    .reinterpretAsFloats();
                    s3 = v.fma(x3, s3);
                    t3 = u.fma(x3, t3);
                }
                int to = token * PRODUCT_ROWS + lane;
                s0.intoArray(sums, to);
                t0.intoArray(sums, to + FLOAT_LANES);
                s1.intoArray(sums, to + PRODUCT_ROWS);
                t1.intoArray(sums, to + PRODUCT_ROWS + FLOAT_LANES);
                s2.intoArray(sums, to + 2 * PRODUCT_ROWS);
                t2.intoArray(sums, to + 2 * PRODUCT_ROWS + FLOAT_LANES);
                s3.intoArray(sums, to + 3 * PRODUCT_ROWS);
                t3.intoArray(sums, to + 3 * PRODUCT_ROWS + FLOAT_LANES);
            }
        }
    }

    /// Adds the sums of a block to the accumulators. Seen as 32-bit lanes, low halves are rows 0 to
    /// 15 of a tile, high halves the others ([TiledMatrix]).
    private static void addShorts(
            Workspace workspace, int rows, float[] scales, int from, int tokens) {
        short[] sums = workspace.shortSums;
        float[] accumulators = workspace.accumulators;
        for (int lane = 0; lane < rows; lane += SHORT_LANES) {
            int row = lane / ROWS * ROWS + lane % ROWS / 2;
            FloatVector lowScale = FloatVector.fromArray(FLOATS, workspace.scales, row);
            FloatVector highScale = FloatVector.fromArray(FLOATS, workspace.scales, row + ROWS / 2);
            for (int token = 0; token < tokens; token++) {
                IntVector pairs =
                        ShortVector.fromArray(SHORTS, sums, token * PRODUCT_ROWS + lane)
                                .reinterpretAsInts();
                FloatVector low =
                        (FloatVector)
                                pairs.lanewise(VectorOperators.LSHL, 16)
                                        .lanewise(VectorOperators.ASHR, 16)
                                        .convert(VectorOperators.I2F, 0);
                FloatVector high =
                        (FloatVector)
                                pairs.lanewise(VectorOperators.ASHR, 16)
                                        .convert(VectorOperators.I2F, 0);
                float scale = scales[from + token];
                int at = token * PRODUCT_ROWS + row;
                low.fma(lowScale.mul(scale), FloatVector.fromArray(FLOATS, accumulators, at))
                        .intoArray(accumulators, at);
                high.fma(
                                highScale.mul(scale),
                                FloatVector.fromArray(FLOATS, accumulators, at + ROWS / 2))
                        .intoArray(accumulators, at + ROWS / 2);
            }
        }
    }

    private static void addFloats(
            Workspace workspace, int rows, float[] scales, int from, int tokens) {
        float[] sums = workspace.floatSums;
        float[] accumulators = workspace.accumulators;
        for (int row = 0; row < rows; row += FLOAT_LANES) {
            FloatVector rowScale = FloatVector.fromArray(FLOATS, workspace.scales, row);
            for (int token = 0; token < tokens; token++) {
                int at = token * PRODUCT_ROWS + row;
                FloatVector.fromArray(FLOATS, sums, at)
                        .fma(
                                rowScale.mul(scales[from + token]),
                                FloatVector.fromArray(FLOATS, accumulators, at))
                        .intoArray(accumulators, at);
            }
        }
    }
}
