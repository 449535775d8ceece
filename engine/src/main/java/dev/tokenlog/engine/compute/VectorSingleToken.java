package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.TiledMatrix.ROWS;
import static dev.tokenlog.engine.compute.TiledMatrix.SCALE_BYTES;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;
import static dev.tokenlog.engine.compute.VectorUnpacking.HALF_FACTOR;
import static dev.tokenlog.engine.compute.VectorUnpacking.HALF_MASK;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// A tile of weights times one token. Unpacking to memory first would be worth it for several only:
/// codes go from their words straight into the products.
final class VectorSingleToken {

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private VectorSingleToken() {}

    /// Codes stay `q + 8` here, and a sum begins with `-8 · Σ q_x`. On the way it may leave 16
    /// bits; what comes out is the sum modulo 2¹⁶, which fits.
    static void int4(
            TiledMatrix weights, int tile, QuantizedActivations x, int token, float[] out, int to) {
        MemorySegment tiles = weights.tiles();
        int[] codes = x.lanes();
        int[] offsets = x.offsets();
        float[] scales = x.scales();
        int blocks = weights.blocks();
        int groupBlocks = weights.groupBlocks();
        int first = token * blocks;
        for (int lane = 0; lane < ROWS; lane += SHORT_LANES) {
            FloatVector low = FloatVector.zero(FLOATS);
            FloatVector high = FloatVector.zero(FLOATS);
            long at = tile * weights.tileBytes() + 2L * lane;
            long scalesAt = at;
            int left = 0;
            for (int block = 0; block < blocks; block++) {
                if (left == 0) {
                    left = groupBlocks;
                    scalesAt = at;
                    at += SCALE_BYTES;
                }
                left--;
                ShortVector even =
                        IntVector.broadcast(INTS, offsets[first + block]).reinterpretAsShorts();
                ShortVector odd = ShortVector.zero(SHORTS);
                int column = (first + block) * BLOCK;
                for (int word = 0; word < 8; word++) {
                    ShortVector w =
                            ShortVector.fromMemorySegment(
                                    SHORTS, tiles, at + 2 * ROWS * word, ORDER);
                    int c = column + 4 * word;
                    even =
                            even.add(
                                    w.and((short) 15)
                                            .mul(
                                                    IntVector.broadcast(INTS, codes[c])
                                                            .reinterpretAsShorts()));
                    odd =
                            odd.add(
                                    w.lanewise(VectorOperators.LSHR, 4)
                                            .and((short) 15)
                                            .mul(
                                                    IntVector.broadcast(INTS, codes[c + 1])
                                                            .reinterpretAsShorts()));
                    even =
                            even.add(
                                    w.lanewise(VectorOperators.LSHR, 8)
                                            .and((short) 15)
                                            .mul(
                                                    IntVector.broadcast(INTS, codes[c + 2])
                                                            .reinterpretAsShorts()));
                    odd =
                            odd.add(
                                    w.lanewise(VectorOperators.LSHR, 12)
                                            .mul(
                                                    IntVector.broadcast(INTS, codes[c + 3])
                                                            .reinterpretAsShorts()));
                }
                at += 2 * ROWS * 8;
                IntVector sums = even.add(odd).reinterpretAsInts();
                IntVector halves =
                        ShortVector.fromMemorySegment(SHORTS, tiles, scalesAt, ORDER)
                                .reinterpretAsInts();
                float scale = scales[first + block];
                FloatVector lowSum =
                        (FloatVector)
                                sums.lanewise(VectorOperators.LSHL, 16)
                                        .lanewise(VectorOperators.ASHR, 16)
                                        .convert(VectorOperators.I2F, 0);
                FloatVector highSum =
                        (FloatVector)
                                sums.lanewise(VectorOperators.ASHR, 16)
                                        .convert(VectorOperators.I2F, 0);
                FloatVector lowScale =
                        halves.lanewise(VectorOperators.LSHL, 16)
                                .lanewise(VectorOperators.ASHR, 3)
                                .and(HALF_MASK)
                                .reinterpretAsFloats()
                                .mul(HALF_FACTOR);
                FloatVector highScale =
                        halves.lanewise(VectorOperators.ASHR, 3)
                                .and(HALF_MASK)
                                .reinterpretAsFloats()
                                .mul(HALF_FACTOR);
                low = lowSum.fma(lowScale.mul(scale), low);
                high = highSum.fma(highScale.mul(scale), high);
            }
            low.intoArray(out, to + lane / 2);
            high.intoArray(out, to + ROWS / 2 + lane / 2);
        }
    }

    /// Rows `lane` and `16 + lane` at once, for which a vector of scales has both halves.
    static void int8(
            TiledMatrix weights, int tile, QuantizedActivations x, int token, float[] out, int to) {
        MemorySegment tiles = weights.tiles();
        int[] codes = x.lanes();
        float[] scales = x.scales();
        int blocks = weights.blocks();
        int groupBlocks = weights.groupBlocks();
        int first = token * blocks;
        for (int lane = 0; lane < ROWS / 2; lane += FLOAT_LANES) {
            FloatVector low = FloatVector.zero(FLOATS);
            FloatVector high = FloatVector.zero(FLOATS);
            long at = tile * weights.tileBytes() + 4L * lane;
            long scalesAt = at;
            int left = 0;
            for (int block = 0; block < blocks; block++) {
                if (left == 0) {
                    left = groupBlocks;
                    scalesAt = at;
                    at += SCALE_BYTES;
                }
                left--;
                FloatVector lowSum = FloatVector.zero(FLOATS);
                FloatVector highSum = FloatVector.zero(FLOATS);
                int column = (first + block) * BLOCK;
                for (int word = 0; word < 8; word++) {
                    IntVector w =
                            IntVector.fromMemorySegment(INTS, tiles, at + 4 * ROWS * word, ORDER);
                    IntVector v =
                            IntVector.fromMemorySegment(
                                    INTS, tiles, at + 4 * ROWS * word + 2 * ROWS, ORDER);
                    int c = column + 4 * word;
                    FloatVector x0 = IntVector.broadcast(INTS, codes[c]).reinterpretAsFloats();
                    lowSum =
                            ((FloatVector)
                                            w.lanewise(VectorOperators.LSHL, 24)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x0, lowSum);
                    highSum =
                            ((FloatVector)
                                            v.lanewise(VectorOperators.LSHL, 24)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x0, highSum);
                    FloatVector x1 = IntVector.broadcast(INTS, codes[c + 1]).reinterpretAsFloats();
                    lowSum =
                            ((FloatVector)
                                            w.lanewise(VectorOperators.LSHL, 16)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x1, lowSum);
                    highSum =
                            ((FloatVector)
                                            v.lanewise(VectorOperators.LSHL, 16)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x1, highSum);
                    FloatVector x2 = IntVector.broadcast(INTS, codes[c + 2]).reinterpretAsFloats();
                    lowSum =
                            ((FloatVector)
                                            w.lanewise(VectorOperators.LSHL, 8)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x2, lowSum);
                    highSum =
                            ((FloatVector)
                                            v.lanewise(VectorOperators.LSHL, 8)
                                                    .lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x2, highSum);
                    FloatVector x3 = IntVector.broadcast(INTS, codes[c + 3]).reinterpretAsFloats();
                    lowSum =
                            ((FloatVector)
                                            w.lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x3, lowSum);
                    highSum =
                            ((FloatVector)
                                            v.lanewise(VectorOperators.ASHR, 24)
                                                    .convert(VectorOperators.I2F, 0))
                                    .fma(x3, highSum);
                }
                at += 4 * ROWS * 8;
                // The scales of rows r and 16 + r take the place of one word.
                IntVector halves =
                        ShortVector.fromMemorySegment(SHORTS, tiles, scalesAt, ORDER)
                                .reinterpretAsInts();
                float scale = scales[first + block];
                FloatVector lowScale =
                        halves.lanewise(VectorOperators.LSHL, 16)
                                .lanewise(VectorOperators.ASHR, 3)
                                .and(HALF_MASK)
                                .reinterpretAsFloats()
                                .mul(HALF_FACTOR);
                FloatVector highScale =
                        halves.lanewise(VectorOperators.ASHR, 3)
                                .and(HALF_MASK)
                                .reinterpretAsFloats()
                                .mul(HALF_FACTOR);
                low = lowSum.fma(lowScale.mul(scale), low);
                high = highSum.fma(highScale.mul(scale), high);
            }
            low.intoArray(out, to + lane);
            high.intoArray(out, to + ROWS / 2 + lane);
        }
    }
}
