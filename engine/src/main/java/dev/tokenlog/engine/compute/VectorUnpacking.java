package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.TiledMatrix.ROWS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.SHORT_LANES;
import static dev.tokenlog.engine.compute.Workspace.PRODUCT_ROWS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Unpacks one block of a tile of weights, once for all tokens of a round.
final class VectorUnpacking {

    /// Where the sign, the exponent and the mantissa of an F16 number in the upper half of 32 bits
    /// lie once they have been shifted right by 3, sign extended: the places of F32.
    static final int HALF_MASK = 0x8fffe000;

    /// What the exponent is short of then. Exact for every finite number, subnormal ones included.
    static final float HALF_FACTOR = 0x1p112f;

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private VectorUnpacking() {}

    /// 32 scales or zero points, widened, in the order of rows, times a power of two.
    static void halves(MemorySegment tiles, long at, float unit, float[] out, int offset) {
        float factor = HALF_FACTOR * unit;
        for (int lane = 0; lane < ROWS; lane += SHORT_LANES) {
            IntVector pairs =
                    ShortVector.fromMemorySegment(SHORTS, tiles, at + 2L * lane, ORDER)
                            .reinterpretAsInts();
            pairs.lanewise(VectorOperators.LSHL, 16)
                    .lanewise(VectorOperators.ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(factor)
                    .intoArray(out, offset + lane / 2);
            pairs.lanewise(VectorOperators.ASHR, 3)
                    .and(HALF_MASK)
                    .reinterpretAsFloats()
                    .mul(factor)
                    .intoArray(out, offset + ROWS / 2 + lane / 2);
        }
    }

    static void int4(MemorySegment tiles, long at, short[] out, int offset) {
        for (int lane = 0; lane < ROWS; lane += SHORT_LANES) {
            for (int word = 0; word < 8; word++) {
                ShortVector codes =
                        ShortVector.fromMemorySegment(
                                SHORTS, tiles, at + 2L * (word * ROWS + lane), ORDER);
                int to = offset + 4 * word * PRODUCT_ROWS + lane;
                codes.and((short) 15).sub((short) 8).intoArray(out, to);
                codes.lanewise(VectorOperators.LSHR, 4)
                        .and((short) 15)
                        .sub((short) 8)
                        .intoArray(out, to + PRODUCT_ROWS);
                codes.lanewise(VectorOperators.LSHR, 8)
                        .and((short) 15)
                        .sub((short) 8)
                        .intoArray(out, to + 2 * PRODUCT_ROWS);
                codes.lanewise(VectorOperators.LSHR, 12)
                        .sub((short) 8)
                        .intoArray(out, to + 3 * PRODUCT_ROWS);
            }
        }
    }

    /// Words of 16 bits, each column `factor · code − centre`.
    static void narrow(
            MemorySegment tiles,
            long at,
            int bits,
            int factor,
            int centre,
            short[] out,
            int offset) {
        int perWord = Short.SIZE / bits;
        short mask = (short) ((1 << bits) - 1);
        for (int lane = 0; lane < ROWS; lane += SHORT_LANES) {
            for (int word = 0; word < 32 / perWord; word++) {
                ShortVector codes =
                        ShortVector.fromMemorySegment(
                                SHORTS, tiles, at + 2L * (word * ROWS + lane), ORDER);
                int to = offset + perWord * word * PRODUCT_ROWS + lane;
                for (int i = 0; i < perWord; i++) {
                    codes.lanewise(VectorOperators.LSHR, i * bits)
                            .and(mask)
                            .mul((short) factor)
                            .sub((short) centre)
                            .intoArray(out, to + i * PRODUCT_ROWS);
                }
            }
        }
    }

    /// Words of two columns of 16 bits: upper bytes with their sign, and lower bytes.
    static void wide(MemorySegment tiles, long at, float[] upper, float[] lower, int offset) {
        for (int lane = 0; lane < ROWS; lane += FLOAT_LANES) {
            for (int word = 0; word < 16; word++) {
                IntVector codes =
                        IntVector.fromMemorySegment(
                                INTS, tiles, at + 4L * (word * ROWS + lane), ORDER);
                int to = offset + 2 * word * PRODUCT_ROWS + lane;
                ((FloatVector)
                                codes.lanewise(VectorOperators.LSHL, 16)
                                        .lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(upper, to);
                ((FloatVector) codes.and(255).convert(VectorOperators.I2F, 0)).intoArray(lower, to);
                ((FloatVector)
                                codes.lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(upper, to + PRODUCT_ROWS);
                ((FloatVector)
                                codes.lanewise(VectorOperators.LSHR, 16)
                                        .and(255)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(lower, to + PRODUCT_ROWS);
            }
        }
    }

    static void int8(MemorySegment tiles, long at, float[] out, int offset) {
        for (int lane = 0; lane < ROWS; lane += FLOAT_LANES) {
            for (int word = 0; word < 8; word++) {
                IntVector codes =
                        IntVector.fromMemorySegment(
                                INTS, tiles, at + 4L * (word * ROWS + lane), ORDER);
                int to = offset + 4 * word * PRODUCT_ROWS + lane;
                ((FloatVector)
                                codes.lanewise(VectorOperators.LSHL, 24)
                                        .lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(out, to);
                ((FloatVector)
                                codes.lanewise(VectorOperators.LSHL, 16)
                                        .lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(out, to + PRODUCT_ROWS);
                ((FloatVector)
                                codes.lanewise(VectorOperators.LSHL, 8)
                                        .lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(out, to + 2 * PRODUCT_ROWS);
                ((FloatVector)
                                codes.lanewise(VectorOperators.ASHR, 24)
                                        .convert(VectorOperators.I2F, 0))
                        .intoArray(out, to + 3 * PRODUCT_ROWS);
            }
        }
    }
}
