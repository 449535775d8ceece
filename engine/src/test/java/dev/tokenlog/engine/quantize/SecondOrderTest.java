package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SecondOrderTest {

    private static final int ROWS = 24;
    private static final int COLUMNS = 96;
    private static final int TOKENS = 400;

    private final float[] weights = new float[ROWS * COLUMNS];
    private final float[] inputs = new float[TOKENS * COLUMNS];

    /// Inputs of a few hidden causes, as activations are.
    SecondOrderTest() {
        Random random = new Random(7);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian();
        }
        float[] mixing = new float[20 * COLUMNS];
        for (int i = 0; i < mixing.length; i++) {
            mixing[i] = (float) random.nextGaussian();
        }
        for (int token = 0; token < TOKENS; token++) {
            for (int cause = 0; cause < 20; cause++) {
                float strength = (float) random.nextGaussian();
                for (int i = 0; i < COLUMNS; i++) {
                    inputs[token * COLUMNS + i] += strength * mixing[cause * COLUMNS + i];
                }
            }
            for (int i = 0; i < COLUMNS; i++) {
                inputs[token * COLUMNS + i] += (float) random.nextGaussian();
            }
        }
    }

    private record Rows(float[] values) implements RowSource {

        @Override
        public String name() {
            return "w";
        }

        @Override
        public int columns() {
            return COLUMNS;
        }

        @Override
        public void row(int row, float[] into) {
            System.arraycopy(values, row * COLUMNS, into, 0, COLUMNS);
        }
    }

    private Hessian hessian(Bands bands) {
        Hessian hessian = new Hessian(COLUMNS);
        hessian.add(inputs, TOKENS, bands);
        hessian.complete(0.01);
        return hessian;
    }

    private static Bands backwards() {
        return (count, part) -> {
            for (int i = count - 1; i >= 0; i--) {
                part.run(i);
            }
        };
    }

    private static Bands parallel() {
        return (count, part) -> IntStream.range(0, count).parallel().forEach(part::run);
    }

    private static double error(CalibratedRows rows, float[] target, Hessian hessian) {
        double sum = 0;
        for (int row = 0; row < ROWS; row++) {
            sum += error(rows, target, hessian, row);
        }
        return sum;
    }

    private static double error(CalibratedRows rows, float[] target, Hessian hessian, int row) {
        GroupCode code = GroupCode.of(rows.code());
        double[] e = new double[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            int group = row * 3 + i / 32;
            int at = row * COLUMNS + i;
            double scale = (double) Float.float16ToFloat(rows.scales()[group]) * code.unit();
            int operand = code.operand(rows.q()[at], rows.zeros()[group] & 0xff);
            e[i] = target[at] - operand * scale;
        }
        return hessian.error(e);
    }

    private CalibratedRows nearest(NumberCode numberCode) {
        GroupCode code = GroupCode.of(numberCode);
        short[] q = new short[weights.length];
        short[] scales = new short[weights.length / 32];
        byte[] zeros = new byte[scales.length];
        for (int group = 0; group < scales.length; group++) {
            int from = 32 * group;
            scales[group] = code.scale(weights, from, from + 32);
            zeros[group] = (byte) code.zeroPoint(weights, from, from + 32, scales[group]);
            code.encode(weights, from, from + 32, scales[group], zeros[group] & 0xff, q);
        }
        return new CalibratedRows(new Rows(weights), numberCode, 32, q, scales, zeros);
    }

    private CalibratedRows found(NumberCode code, Hessian hessian) {
        return new SecondOrder(hessian, null, null, Bands.alone(), "w")
                .quantize(new Rows(weights), ROWS, code, 32);
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void the_output_is_several_times_nearer_than_with_the_nearest_codes(NumberCode code) {
        Hessian hessian = hessian(Bands.alone());
        double factor = code.bits() <= 1 ? 2 : 3;
        assertThat(error(found(code, hessian), weights, hessian))
                .isLessThan(error(nearest(code), weights, hessian) / factor);
    }

    @ParameterizedTest
    @EnumSource(
            value = NumberCode.class,
            names = {"INT4", "UINT4", "INT2", "UINT2", "TERNARY", "INT1", "QINS4", "FP4"})
    void hardly_a_row_has_two_codes_that_would_be_better_beside_where_they_are(NumberCode code) {
        Hessian hessian = hessian(Bands.alone());
        int open = 0;
        for (int row = 0; row < ROWS; row++) {
            RowSearch search = search(hessian, code, row, Feedback.order(hessian));
            // Without the errors of the columns before: as far from the best as can be.
            for (int column = 0; column < COLUMNS; column++) {
                search.round(column, 0);
            }
            search.improve();
            open += hasBetterPair(search, code, row, hessian) ? 1 : 0;
        }
        // Two turns are nearly always enough; without pairs it is about half of the rows.
        assertThat(open).isLessThanOrEqualTo(1);
    }

    private RowSearch search(Hessian hessian, NumberCode code, int row, int[] order) {
        double[] w = new double[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            w[i] = weights[row * COLUMNS + i];
        }
        return new RowSearch(
                "row",
                w,
                GroupCode.of(code),
                32,
                new RowSearch.Columns(
                        hessian, hessian.diagonal(), hessian.correlations(Bands.alone()), order));
    }

    /// Tries every pair of neighbouring codes.
    private boolean hasBetterPair(RowSearch search, NumberCode code, int row, Hessian hessian) {
        double[] error = new double[COLUMNS];
        double[] up = new double[COLUMNS];
        double[] down = new double[COLUMNS];
        GroupCode group = GroupCode.of(code);
        for (int i = 0; i < COLUMNS; i++) {
            int zero = search.zeros()[i / 32] & 0xff;
            double s = (double) Float.float16ToFloat(search.scales()[i / 32]) * group.unit();
            int q = search.codes()[i];
            error[i] = weights[row * COLUMNS + i] - group.operand(q, zero) * s;
            up[i] = step(group, q, 1, zero) * s;
            down[i] = step(group, q, -1, zero) * s;
        }
        double now = hessian.error(error);
        for (int i = 0; i < COLUMNS; i++) {
            for (int j = 0; j < i; j++) {
                for (double a : new double[] {up[i], down[i]}) {
                    for (double b : new double[] {up[j], down[j]}) {
                        double[] changed = error.clone();
                        changed[i] += a;
                        changed[j] += b;
                        if (change(hessian, error, i, a, j, b) < -1e-6 * now) {
                            assertThat(hessian.error(changed)).isLessThan(now);
                            return true;
                        }
                    }
                }
            }
        }
        return false;
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void neighbours_lead_from_the_smallest_weight_to_the_largest(NumberCode numberCode) {
        GroupCode code = GroupCode.of(numberCode);
        int[] operands =
                IntStream.rangeClosed(code.smallest(), code.largest())
                        .map(q -> code.operand(q, 0))
                        .sorted()
                        .distinct()
                        .toArray();
        int q =
                IntStream.rangeClosed(code.smallest(), code.largest())
                        .filter(c -> code.operand(c, 0) == operands[0])
                        .findFirst()
                        .orElseThrow();
        assertThat(code.neighbour(q, -1)).isEqualTo(GroupCode.NO_CODE);
        for (int i = 1; i < operands.length; i++) {
            int next = code.neighbour(q, 1);
            assertThat(code.operand(next, 0)).isEqualTo(operands[i]);
            assertThat(code.neighbour(next, -1)).isEqualTo(q);
            q = next;
        }
        assertThat(code.neighbour(q, 1)).isEqualTo(GroupCode.NO_CODE);
    }

    private static double step(GroupCode code, int q, int by, int zero) {
        int next = code.neighbour(q, by);
        return next == GroupCode.NO_CODE ? 0 : code.operand(q, zero) - code.operand(next, zero);
    }

    private static double change(
            Hessian hessian, double[] error, int i, double a, int j, double b) {
        double gi = 0;
        double gj = 0;
        for (int k = 0; k < COLUMNS; k++) {
            gi += hessian.row(i)[k] * error[k];
            gj += hessian.row(j)[k] * error[k];
        }
        return a * a * hessian.row(i)[i]
                + b * b * hessian.row(j)[j]
                + 2 * (a * gi + b * gj + a * b * hessian.row(i)[j]);
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void codes_found_once_more_make_no_row_worse_and_some_better(NumberCode code) {
        Hessian hessian = hessian(Bands.alone());
        Feedback feedback = Feedback.of(hessian, Bands.alone(), "w");
        CalibratedRows found = found(code, hessian);
        int better = 0;
        for (int row = 0; row < ROWS; row++) {
            RowSearch once = search(hessian, code, row, feedback.order());
            double[] carried = new double[COLUMNS];
            for (int k = 0; k < COLUMNS; k++) {
                double error = once.round(feedback.order()[k], carried[k]);
                SecondOrder.carry(error, feedback.factors(k), carried, k + 1);
            }
            once.improve();
            double now = error(found, weights, hessian, row);
            assertThat(now).isLessThan(1.0001 * once.error());
            better += now < 0.9999 * once.error() ? 1 : 0;
        }
        assertThat(better).isPositive();
    }

    @ParameterizedTest
    @EnumSource(NumberCode.class)
    void the_order_in_which_parts_are_computed_changes_no_bit(NumberCode code) {
        CalibratedRows one = found(code, hessian(Bands.alone()));
        for (Bands bands : new Bands[] {backwards(), parallel()}) {
            CalibratedRows other =
                    new SecondOrder(hessian(bands), null, null, bands, "w")
                            .quantize(new Rows(weights), ROWS, code, 32);
            assertThat(other.q()).isEqualTo(one.q());
            assertThat(other.scales()).isEqualTo(one.scales());
            assertThat(other.zeros()).isEqualTo(one.zeros());
        }
    }

    @Test
    void a_cancel_is_heard_between_two_rows_of_a_part() {
        AtomicInteger asked = new AtomicInteger();
        Bands cancelled =
                new Bands() {
                    @Override
                    public void run(int count, Part part) {
                        Bands.alone().run(count, part);
                    }

                    @Override
                    public void requireGoOn() {
                        if (asked.incrementAndGet() == 3) {
                            throw new CancellationException("no more");
                        }
                    }
                };
        SecondOrder quantizer = new SecondOrder(hessian(Bands.alone()), null, null, cancelled, "w");
        assertThatExceptionOfType(CancellationException.class)
                .isThrownBy(() -> quantizer.quantize(new Rows(weights), 16, NumberCode.INT4, 32));
        assertThat(asked).hasValue(3);
    }

    @Test
    void what_a_matrix_is_fed_wrongly_is_made_up_for() {
        // The float model has twice the input: the codes have to stand for twice the weights.
        Hessian hessian = hessian(Bands.alone());
        float[] twice = inputs.clone();
        float[] doubled = weights.clone();
        for (int i = 0; i < twice.length; i++) {
            twice[i] *= 2;
        }
        for (int i = 0; i < doubled.length; i++) {
            doubled[i] *= 2;
        }
        CrossProducts cross = new CrossProducts(COLUMNS, COLUMNS);
        cross.add(twice, inputs, inputs, TOKENS, Bands.alone());
        CalibratedRows found =
                new SecondOrder(hessian, cross, null, Bands.alone(), "w")
                        .quantize(new Rows(weights), ROWS, NumberCode.INT4, 32);
        assertThat(error(found, doubled, hessian)).isLessThan(error(found, weights, hessian) / 50);
    }

    @Test
    void the_factors_solve_what_the_hessian_asks() {
        Hessian hessian = hessian(Bands.alone());
        Feedback feedback = Feedback.of(hessian, parallel(), "w");
        double[] wanted = new Random(3).doubles(COLUMNS).toArray();
        double[] y = new double[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            for (int j = 0; j < COLUMNS; j++) {
                y[i] += hessian.row(i)[j] * wanted[j];
            }
        }
        feedback.solve(y);
        assertThat(y).containsExactly(wanted, within(1e-9));
    }

    @Test
    void without_a_token_every_column_counts_the_same() {
        Hessian hessian = new Hessian(COLUMNS);
        hessian.complete(0.01);
        CalibratedRows found =
                new SecondOrder(hessian, null, null, Bands.alone(), "w")
                        .quantize(new Rows(weights), ROWS, NumberCode.INT4, 32);
        assertThat(error(found, weights, hessian))
                .isLessThanOrEqualTo(error(nearest(NumberCode.INT4), weights, hessian));
    }

    @Test
    void what_cannot_be_told_apart_is_refused_by_name() {
        Hessian hessian = new Hessian(COLUMNS);
        float[] infinite = new float[COLUMNS];
        infinite[5] = Float.POSITIVE_INFINITY;
        hessian.add(infinite, 1, Bands.alone());
        hessian.complete(0.01);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> Feedback.of(hessian, Bands.alone(), "layer.7.weight"))
                .withMessageContaining("layer.7.weight");
    }
}
