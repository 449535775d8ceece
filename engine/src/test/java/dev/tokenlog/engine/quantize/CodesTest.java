package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What holds of every number code; [GroupCodeTest] has more of `int8` and `int4`.
class CodesTest {

    private static Scales usual(NumberCode code) {
        return GroupCode.of(code).scales().getFirst();
    }

    private static Matrix.Quantized quantize(
            NumberCode code, float[] values, int rows, int groupSize) {
        int columns = values.length / rows;
        Matrix.Float source =
                new Matrix.Float("w", DataType.F32, rows, columns, MemorySegment.ofArray(values));
        QuantizedRows all = QuantizedRows.of(source, code, groupSize, usual(code), 0, rows);
        assertThat(all.codes()).hasSize(Math.toIntExact(rows * code.bytesPerRow(columns)));
        return new Matrix.Quantized(
                "w",
                code,
                rows,
                columns,
                groupSize,
                MemorySegment.ofArray(all.codes()),
                MemorySegment.ofArray(all.scales()),
                code.hasZeroPoints() ? MemorySegment.ofArray(all.zeros()) : null);
    }

    private static float[] gaussian(int count, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (0.02 * random.nextGaussian());
        }
        return values;
    }

    /// All codes there are, in rows of every length: what is packed comes back.
    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void whatIsPackedComesBack(NumberCode code) {
        GroupCode group = GroupCode.of(code);
        Random random = new Random(4);
        for (int columns = 1; columns < 70; columns++) {
            short[] q = new short[columns];
            for (int i = 0; i < columns; i++) {
                q[i] = (short) random.nextInt(group.smallest(), group.largest() + 1);
            }
            byte[] packed = new byte[Math.toIntExact(code.bytesPerRow(columns)) + 2];
            group.pack(q, columns, packed, 1);
            short[] back = new short[columns];
            group.unpack(packed, 1, columns, back);

            assertThat(back).isEqualTo(q);
            assertThat(packed[0]).isZero();
            assertThat(packed[packed.length - 1]).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "INT8, 100",
        "INT4, 50",
        "INT2, 25",
        "UINT8, 100",
        "UINT4, 50",
        "UINT2, 25",
        "INT1, 13",
        "TERNARY, 20",
        "QINS8_LOG, 100",
        "QINS9_LOG, 113",
        "QINS8_INV, 100",
        "QINS8_PROJ, 100",
        "QINS4, 50",
        "FP4, 50"
    })
    void aRowOf100WeightsTakesThatManyBytes(NumberCode code, int bytes) {
        assertThat(code.bytesPerRow(100)).isEqualTo(bytes);
    }

    /// Of all codes none is nearer, found by trying them all; in groups and in whole rows.
    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void noOtherCodeIsNearer(NumberCode code) {
        GroupCode group = GroupCode.of(code);
        for (int groupSize : new int[] {32, 64, 128, 150}) {
            float[] values = gaussian(3 * 150, groupSize);
            Matrix.Quantized stored = quantize(code, values, 3, groupSize);
            float[] found = Dequantizer.all(stored);
            for (int i = 0; i < values.length; i++) {
                int at = i / 150 * stored.groupsPerRow() + i % 150 / groupSize;
                short half = stored.scales().get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * at);
                double s = Float.float16ToFloat(half) * (double) group.unit();
                int zero =
                        stored.zeros() == null
                                ? 0
                                : stored.zeros().get(ValueLayout.JAVA_BYTE, at) & 0xff;
                double best = Double.MAX_VALUE;
                for (int q = group.smallest(); q <= group.largest(); q++) {
                    best = Math.min(best, Math.abs(values[i] - group.operand(q, zero) * s));
                }
                assertThat(Math.abs((double) values[i] - found[i]))
                        .isCloseTo(best, within(1e-6 * Math.abs(values[i]) + 1e-12));
            }
        }
    }

    /// Values that a code has come back as they are.
    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void quantizingAgainChangesNothing(NumberCode code) {
        float[] once = Dequantizer.all(quantize(code, gaussian(320, 8), 5, 32));
        float[] twice = Dequantizer.all(quantize(code, once, 5, 32));

        for (int i = 0; i < once.length; i++) {
            // A scale that is found again may be the F16 number beside the first one.
            assertThat(twice[i]).isCloseTo(once[i], within(2e-3f * 0.1f));
        }
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void zerosStayZeros(NumberCode code) {
        for (float value : Dequantizer.all(quantize(code, new float[64], 2, 32))) {
            assertThat(Math.abs(value)).isZero();
        }
    }

    /// Asymmetric: exact wherever F16 has the number; so are the symmetric ones with a power of
    /// two.
    @ParameterizedTest
    @CsvSource({
        "UINT8, 0.3",
        "UINT4, 0.3",
        "UINT2, 0.3",
        "UINT8, -0.7",
        "UINT4, -0.7",
        "UINT2, -0.7",
        "INT4, 0.3",
        "INT2, -0.7",
        "INT1, 0.3",
        "INT1, -0.7",
        "TERNARY, -0.7"
    })
    void constantRowsAreExact(NumberCode code, float value) {
        float held = Float.float16ToFloat(Float.floatToFloat16(value));
        float[] row = new float[96];
        Arrays.fill(row, held);

        assertThat(Dequantizer.all(quantize(code, row, 1, 32))).containsOnly(held);
        assertThat(Dequantizer.all(quantize(code, row, 1, 96))).containsOnly(held);
    }

    /// What is all on one side gains by a zero point, what is on both does not have to lose by it.
    @Test
    void zeroPointsHelpWhatIsOnOneSide() {
        float[] values = gaussian(3200, 6);
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.abs(values[i]);
        }

        assertThat(relativeError(NumberCode.UINT4, values))
                .isLessThan(0.6 * relativeError(NumberCode.INT4, values));
    }

    private static double relativeError(NumberCode code, float[] values) {
        return QuantizedRows.of(
                        new Matrix.Float(
                                "w", DataType.F32, 1, values.length, MemorySegment.ofArray(values)),
                        code,
                        32,
                        usual(code),
                        0,
                        1)
                .errors()
                .relativeL2();
    }

    /// 2 % about what a simulation in another language says of Gaussian weights in groups of 32.
    @ParameterizedTest
    @CsvSource({
        "INT8, 0.00536", "QINS8_LOG, 0.00937", "QINS9_LOG, 0.00518", "QINS8_INV, 0.1565",
        "QINS8_PROJ, 0.00493", "QINS4, 0.0807", "FP4, 0.1012", "INT4, 0.0861",
        "INT2, 0.3625"
    })
    void errorsOfGaussianWeights(NumberCode code, double expected) {
        assertThat(relativeError(code, gaussian(320_000, 5)))
                .isCloseTo(expected, within(0.02 * expected));
    }

    /// `E|x| = sqrt(2/π) σ`: what is left of a Gaussian by its signs is `1 − 2/π`; ternary's best
    /// is 0.19. Groups fit their own scales, so both come out a little lower.
    @Test
    void signsAndTernaryAreNearTheirBounds() {
        float[] values = gaussian(320_000, 5);

        assertThat(relativeError(NumberCode.INT1, values))
                .isBetween(0.58, Math.sqrt(1 - 2 / Math.PI));
        assertThat(relativeError(NumberCode.TERNARY, values)).isBetween(0.39, Math.sqrt(0.19));
    }

    @Test
    void tablesAreTheirFormulas() {
        table(NumberCode.QINS8_LOG, 128, c -> Math.exp(-Math.log(64) * c / 127));
        table(NumberCode.QINS9_LOG, 256, c -> Math.exp(-Math.log(128) * c / 255));
        table(NumberCode.QINS8_INV, 128, c -> c == 0 ? 0 : 1.0 / c);
        table(
                NumberCode.QINS8_PROJ,
                128,
                c -> {
                    double z = (1 + 0.75 * c / 127) / 1.75;
                    return (1 - z) / (0.75 * z);
                });
    }

    /// Twice what the bits of E2M1 stand for: `(−1)^s · 2^(e − 1) · (1 + m/2)`, or `(−1)^s · m/2`
    /// where `e` is 0.
    @Test
    void fourBitFloatsAreTheirBits() {
        for (int bits = 0; bits < 16; bits++) {
            int exponent = bits >> 1 & 3;
            double mantissa = (bits & 1) / 2.0;
            double magnitude = exponent == 0 ? mantissa : Math.scalb(1 + mantissa, exponent - 1);
            assertThat(GroupCode.of(NumberCode.FP4).operand(bits, 0))
                    .isEqualTo((int) (2 * (bits < 8 ? magnitude : -magnitude)));
        }
    }

    private static void table(NumberCode code, int count, IntToDoubleFunction formula) {
        GroupCode group = GroupCode.of(code);
        assertThat(group.largest()).isEqualTo(2 * count - 1);
        for (int c = 0; c < count; c++) {
            int expected = (int) Math.rint(32767 * formula.applyAsDouble(c));
            assertThat(group.operand(c, 0)).isEqualTo(expected);
            assertThat(group.operand(c + count, 0)).isEqualTo(-expected);
        }
    }

    /// Larger code, smaller weight.
    @ParameterizedTest
    @EnumSource(names = {"QINS8_LOG", "QINS9_LOG", "QINS8_PROJ", "QINS4"})
    void magnitudesFallWithTheCode(NumberCode code) {
        GroupCode group = GroupCode.of(code);
        int count = code == NumberCode.QINS4 ? 16 : (group.largest() + 1) / 2;
        for (int c = 1; c < count; c++) {
            assertThat(Math.abs(group.operand(c, 0))).isLessThan(Math.abs(group.operand(c - 1, 0)));
        }
    }

    /// The fitted numbers: nothing near is better for the weights that they were fitted to.
    @ParameterizedTest
    @ValueSource(doubles = {0.3, 1.5})
    void theLensIsFitted(double other) {
        float[] values = gaussian(64_000, 3);
        CodeTable table =
                CodeTable.ofMagnitudes(
                        128,
                        c -> {
                            double z = (1 + other * c / 127) / (1 + other);
                            return (1 - z) / (other * z);
                        });

        assertThat(error(GroupCode.of(NumberCode.QINS8_PROJ), values))
                .isLessThan(error(new QinsProjectiveCode(table), values));
    }

    @Test
    void theTableOf16IsFitted() {
        float[] values = gaussian(64_000, 3);
        double best = error(Qins4Code.CODE, values);
        for (int code = 1; code < 16; code++) {
            for (int step : new int[] {-6, 6}) {
                int[] near = new int[16];
                for (int i = 0; i < 16; i++) {
                    near[i] = Qins4Code.CODE.operand(i, 0) + (i == code ? step : 0);
                }
                assertThat(best).isLessThan(error(new Qins4Code(new CodeTable(near)), values));
            }
        }
    }

    private static double error(GroupCode code, float[] values) {
        short[] q = new short[values.length];
        ErrorMeasures errors = new ErrorMeasures();
        for (int from = 0; from < values.length; from += 32) {
            short scale = code.scale(values, from, from + 32);
            code.encode(values, from, from + 32, scale, 0, q);
            errors.add(values, code, q, Float.float16ToFloat(scale), 0, from, from + 32);
        }
        return errors.relativeL2();
    }

    @Test
    void int1_and_ternary_by_hand() {
        Matrix.Quantized signs = quantize(NumberCode.INT1, new float[] {1, -2, 0.5f, 0}, 1, 4);
        // mean |x| = 0.875; bits 1, 0, 1, 1
        assertThat(Dequantizer.all(signs)).containsExactly(0.875f, -0.875f, 0.875f, 0.875f);
        assertThat(signs.codes().toArray(ValueLayout.JAVA_BYTE)).containsExactly(0b1101);
        // 2²/1 = 4, 3²/2 = 4.5, 3.5²/3 = 4.08: s = 1.5; 0.5/1.5 rounds to 0
        Matrix.Quantized ternary = quantize(NumberCode.TERNARY, new float[] {1, -2, 0.5f, 0}, 1, 4);
        assertThat(Dequantizer.all(ternary)).containsExactly(1.5f, -1.5f, 0f, 0f);
        // digits 2 0 1 1: 2 + 0 + 9 + 27
        assertThat(ternary.codes().toArray(ValueLayout.JAVA_BYTE)).containsExactly(38);
    }

    @Test
    void uint4_by_hand() {
        // lo = -1, hi = 2: s = F16(0.2) = 0.199951…, z = rint(5.0012) = 5
        Matrix.Quantized stored = quantize(NumberCode.UINT4, new float[] {-1, 2, 0, 0.5f}, 1, 4);

        assertThat(stored.zeros().toArray(ValueLayout.JAVA_BYTE)).containsExactly(5);
        // q = 0, 15, 5, rint(2.5006) + 5 = 8
        assertThat(stored.codes().toArray(ValueLayout.JAVA_BYTE))
                .containsExactly((byte) 0xf0, (byte) 0x85);
        assertThat(Dequantizer.all(stored)[2]).isZero();
    }
}
