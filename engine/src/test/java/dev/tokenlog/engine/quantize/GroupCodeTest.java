package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class GroupCodeTest {

    private static Matrix.Float matrix(float[] values, int rows) {
        return new Matrix.Float(
                "w", DataType.F32, rows, values.length / rows, MemorySegment.ofArray(values));
    }

    private static QuantizedRows quantize(float[] values, NumberCode code) {
        return quantize(values, code, Scales.ABSMAX);
    }

    private static QuantizedRows quantize(float[] values, NumberCode code, Scales scales) {
        return QuantizedRows.of(matrix(values, 1), code, 32, scales, 0, 1);
    }

    private static short scale(QuantizedRows rows, int index) {
        return (short) (rows.scales()[2 * index] & 0xff | rows.scales()[2 * index + 1] << 8);
    }

    @Test
    void int4_by_hand() {
        // m = -2, s = -2/-8 = 0.25 = 0x3400, q = 4 -8 2 0, stored 12 0 10 8
        QuantizedRows rows = quantize(new float[] {1, -2, 0.5f, 0}, NumberCode.INT4);

        assertThat(scale(rows, 0)).isEqualTo((short) 0x3400);
        assertThat(rows.codes()).containsExactly(0x0c, 0x8a);
    }

    @Test
    void int8_by_hand() {
        // 2/127 = 0.0157480…; F16 has 0.015625 + 8 · 2⁻¹⁶ = 0.0157470703125 = 0x2408
        // 1/s = 63.504, -2/s = -127.008, 0.5/s = 31.752
        QuantizedRows rows = quantize(new float[] {1, -2, 0.5f, 0}, NumberCode.INT8);

        assertThat(scale(rows, 0)).isEqualTo((short) 0x2408);
        assertThat(rows.codes()).containsExactly(64, -127, 32, 0);
    }

    @Test
    void of_equal_extremes_the_first_gives_the_sign_of_an_int4_scale() {
        QuantizedRows rows = quantize(new float[] {3, -3, 1}, NumberCode.INT4);

        assertThat(Float.float16ToFloat(scale(rows, 0))).isEqualTo(-0.375f);
        // q = -8, clamp(8) = 7, rint(-2.67) = -3; the unused half byte is 0
        assertThat(rows.codes()).containsExactly((byte) 0xf0, 0x05);
    }

    @Test
    void halves_go_to_the_even_code() {
        // s = F16(127/127) = 1
        QuantizedRows rows =
                quantize(new float[] {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f}, NumberCode.INT8);

        assertThat(rows.codes()).containsExactly(127, 0, 2, 2, 0, -2);
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void a_scale_that_rounds_to_zero_gives_zeros(NumberCode code) {
        float[] tiny = {1e-8f, -1e-9f, 0};
        QuantizedRows rows = quantize(tiny, code);

        float[] result = new float[3];
        Dequantizer.row(stored(rows, code, 1, 3, 32), 0, result);
        assertThat(result).usingComparatorWithPrecision(0f).containsExactly(0, 0, 0);
        if (code == NumberCode.INT4) {
            assertThat(rows.codes()).containsExactly((byte) 0x88, 0x08);
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, 8400000", "INT4, 600000", "INT8, NaN", "INT4, Infinity"})
    void what_f16_cannot_scale_is_refused_by_name(NumberCode code, float value) {
        float[] values = new float[40];
        values[35] = value;

        assertThatThrownBy(() -> quantize(values, code))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("tensor 'w' row 0 column");
    }

    /// The claim that blocks of GGUF's Q8_0 and Q4_0 come over exactly: their values, quantized
    /// again, give the same scale and the same codes.
    @ParameterizedTest
    @CsvSource({"INT8, ABSMAX", "INT4, ABSMAX", "INT8, LEAST_SQUARES", "INT4, LEAST_SQUARES"})
    void blocks_with_a_full_code_come_back_exactly(NumberCode code, Scales scales) {
        Random random = new Random(3);
        int low = code == NumberCode.INT8 ? -127 : -8;
        int high = code == NumberCode.INT8 ? 127 : 7;
        for (int round = 0; round < 2000; round++) {
            short scale = (short) (random.nextInt(0x0400, 0x7000));
            float s = Float.float16ToFloat(scale);
            int[] q = random.ints(32, low, high + 1).toArray();
            q[random.nextInt(32)] = low;
            float[] values = new float[32];
            for (int i = 0; i < 32; i++) {
                values[i] = q[i] * s;
            }

            QuantizedRows rows = quantize(values, code, scales);

            assertThat(scale(rows, 0)).isEqualTo(scale);
            short[] codes = new short[32];
            GroupCode.of(code).unpack(rows.codes(), 0, 32, codes);
            for (int i = 0; i < 32; i++) {
                assertThat((int) codes[i]).isEqualTo(q[i]);
            }
        }
    }

    /// Every code is the nearest of all codes, found by trying them all.
    @ParameterizedTest
    @CsvSource({
        "INT8, 32, 64", "INT8, 32, 33", "INT8, 64, 100", "INT8, 77, 77", "INT8, 32, 1",
        "INT4, 32, 64", "INT4, 32, 33", "INT4, 128, 300", "INT4, 77, 77", "INT4, 32, 1"
    })
    void no_other_code_is_nearer(NumberCode code, int groupSize, int columns) {
        Random random = new Random(columns);
        int rows = 7;
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
        }
        QuantizedRows quantized =
                QuantizedRows.of(matrix(values, rows), code, groupSize, Scales.ABSMAX, 0, rows);
        Matrix.Quantized stored = stored(quantized, code, rows, columns, groupSize);
        float[] result = Dequantizer.all(stored);
        int low = code == NumberCode.INT8 ? -127 : -8;
        int high = code == NumberCode.INT8 ? 127 : 7;
        int groups = stored.groupsPerRow();
        for (int i = 0; i < values.length; i++) {
            int group = i / columns * groups + i % columns / groupSize;
            double s = Float.float16ToFloat(scale(quantized, group));
            double best = Double.MAX_VALUE;
            for (int q = low; q <= high; q++) {
                best = Math.min(best, Math.abs(values[i] - q * s));
            }
            assertThat(Math.abs((double) values[i] - result[i]))
                    .isCloseTo(best, within(1e-6 * Math.abs(s)));
        }
    }

    /// No F16 number within reach has a smaller squared error, computed in double.
    @ParameterizedTest
    @CsvSource({"INT8, 1", "INT8, 0.00001", "INT8, 2000", "INT4, 1", "INT4, 0.000001"})
    void least_squares_finds_the_best_scale_within_reach(NumberCode code, float size) {
        Random random = new Random(9);
        GroupCode group = GroupCode.of(code);
        for (int round = 0; round < 200; round++) {
            float[] values = new float[1 + random.nextInt(32)];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian() * size;
            }
            short first = group.scale(values, 0, values.length);
            int magnitude = first & 0x7fff;
            double best = squaredError(group, values, first);
            for (int d = -LeastSquares.REACH; d <= LeastSquares.REACH && magnitude > 0; d++) {
                if (magnitude + d > 0) {
                    short near = (short) (first & 0x8000 | magnitude + d);
                    best = Math.min(best, squaredError(group, values, near));
                }
            }

            short found = scale(quantize(values, code, Scales.LEAST_SQUARES), 0);

            assertThat(squaredError(group, values, found))
                    .isLessThanOrEqualTo(best * (1 + 1e-4) + 1e-30);
        }
    }

    @Test
    void vectors_find_the_errors_of_plain_loops() {
        Random random = new Random(2);
        float[] x = new float[40];
        float[] scales = new float[256];
        float[] inverses = new float[256];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        for (int i = 0; i < scales.length; i++) {
            scales[i] = 0.015f + 1e-5f * i;
            inverses[i] = 1 / scales[i];
        }
        float[] expected = new float[256];
        float[] actual = new float[256];
        LeastSquares.errors(x, 3, 36, -127, 127, scales, inverses, expected);
        LeastSquaresVectors.errors(x, 3, 36, -127, 127, scales, inverses, actual);

        assertThat(actual).containsExactly(expected);
    }

    private static double squaredError(GroupCode code, float[] x, short scale) {
        short[] q = new short[x.length];
        code.encode(x, 0, x.length, scale, 0, q);
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            double error = x[i] - q[i] * (double) Float.float16ToFloat(scale);
            sum += error * error;
        }
        return sum;
    }

    @Test
    void least_squares_leaves_an_eighth_less_error_at_8_bits() {
        Random random = new Random(5);
        float[] values = new float[32 * 500];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        double absmax = quantize(values, NumberCode.INT8).errors().relativeL2();
        double searched =
                quantize(values, NumberCode.INT8, Scales.LEAST_SQUARES).errors().relativeL2();

        assertThat(searched).isBetween(0.84 * absmax, 0.90 * absmax);
    }

    @Test
    void parts_of_a_matrix_are_its_rows() {
        Random random = new Random(1);
        float[] values = new float[10 * 45];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        Matrix.Float whole = matrix(values, 10);
        QuantizedRows all = QuantizedRows.of(whole, NumberCode.INT4, 32, Scales.ABSMAX, 0, 10);
        QuantizedRows part = QuantizedRows.of(whole, NumberCode.INT4, 32, Scales.ABSMAX, 3, 7);

        assertThat(part.codes())
                .isEqualTo(java.util.Arrays.copyOfRange(all.codes(), 3 * 23, 7 * 23));
        assertThat(part.scales())
                .isEqualTo(java.util.Arrays.copyOfRange(all.scales(), 3 * 4, 7 * 4));
    }

    @Test
    void errors_by_hand() {
        ErrorMeasures errors = new ErrorMeasures();
        errors.add(3, 3);
        errors.add(4, 3);

        assertThat(errors.relativeL2()).isCloseTo(1 / 5.0, within(1e-15));
        assertThat(errors.meanRelative()).isCloseTo(1 / 7.0, within(1e-15));
        assertThat(errors.max()).isEqualTo(1);
        assertThat(errors.cosine()).isCloseTo(21 / (5 * Math.sqrt(18)), within(1e-15));
    }

    @Test
    void zeros_have_no_error() {
        ErrorMeasures errors = quantize(new float[5], NumberCode.INT4).errors();

        assertThat(errors.relativeL2()).isZero();
        assertThat(errors.meanRelative()).isZero();
        assertThat(errors.cosine()).isEqualTo(1);
    }

    private static Matrix.Quantized stored(
            QuantizedRows rows, NumberCode code, int count, int columns, int groupSize) {
        return new Matrix.Quantized(
                "w",
                code,
                count,
                columns,
                groupSize,
                MemorySegment.ofArray(rows.codes()),
                MemorySegment.ofArray(rows.scales()),
                code.hasZeroPoints() ? MemorySegment.ofArray(rows.zeros()) : null);
    }
}
