package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.NumberCode;

/// Finds codes and scales of a matrix that make its output, not its weights, as little wrong as can
/// be: of every row the `eᵀ H e` of its error.
///
/// For each row: scales by a search over the weighted squared error; codes column by column, the
/// error of each put right by those after it ([Feedback]); then, in turn, every scale and every
/// code to the place where it makes the error least, everything else kept, as long as something
/// gets better. No step makes the error larger.
///
/// Everything is computed in double in a fixed order, row by row: the number of threads changes no
/// bit.
public final class SecondOrder {

    /// Rows that go through the columns together: the factors are read from memory once for all of
    /// them.
    private static final int ROWS = 16;

    /// Turns of scales and codes.
    private static final int TURNS = 4;

    private final Hessian hessian;
    private final Feedback feedback;
    private final Bands bands;
    private final double[] weights;
    private final CrossProducts inputs;
    private final CrossProducts residual;

    /// @param hessian of the inputs `x` that the matrix gets, complete
    /// @param inputs `Σ (x' − x) xᵀ`, where `x'` is what the float model has in place of `x`; null:
    ///   the same
    /// @param residual `Σ (h' − h) xᵀ`, where the product is added to `h`, and the float model has
    ///   `h'` in its place; null: not to be made up for
    /// @param tensor for errors
    public SecondOrder(
            Hessian hessian,
            CrossProducts inputs,
            CrossProducts residual,
            Bands bands,
            String tensor) {
        this.inputs = inputs;
        this.residual = residual;
        this.hessian = hessian;
        this.bands = bands;
        this.feedback = Feedback.of(hessian, bands, tensor);
        this.weights = new double[hessian.size()];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = hessian.row(i)[i];
        }
    }

    /// @param groupSize columns that share a scale
    /// @throws EngineException `UNSUPPORTED`, naming tensor, row and column: a value is not finite,
    ///   or a scale does not fit F16
    public CalibratedRows quantize(RowSource source, int rows, NumberCode code, int groupSize) {
        int columns = source.columns();
        int groups = Math.ceilDiv(columns, groupSize);
        short[] q = new short[Math.multiplyExact(rows, columns)];
        short[] scales = new short[Math.multiplyExact(rows, groups)];
        byte[] zeros = new byte[scales.length];
        bands.run(
                Math.ceilDiv(rows, ROWS),
                band -> {
                    int from = band * ROWS;
                    int count = Math.min(ROWS, rows - from);
                    Row[] block = new Row[count];
                    for (int r = 0; r < count; r++) {
                        block[r] = new Row(source, from + r, GroupCode.of(code), groupSize);
                    }
                    round(block);
                    for (int r = 0; r < count; r++) {
                        block[r].improve();
                        System.arraycopy(block[r].q, 0, q, (from + r) * columns, columns);
                        System.arraycopy(block[r].scales, 0, scales, (from + r) * groups, groups);
                        System.arraycopy(block[r].zeros, 0, zeros, (from + r) * groups, groups);
                    }
                });
        return new CalibratedRows(source, code, groupSize, q, scales, zeros);
    }

    /// Column after column, the error of each carried to those after it.
    private void round(Row[] block) {
        int[] order = feedback.order();
        int columns = order.length;
        double[][] carried = new double[block.length][columns];
        for (int k = 0; k < columns; k++) {
            double[] factors = feedback.factors(k);
            for (int r = 0; r < block.length; r++) {
                double error = block[r].round(order[k], carried[r][k]);
                if (error != 0) {
                    carry(error, factors, carried[r], k + 1);
                }
            }
        }
    }

    private static void carry(double error, double[] factors, double[] carried, int from) {
        for (int m = 0; m < factors.length; m++) {
            carried[from + m] += error * factors[m];
        }
    }

    /// Moves a row to where its output on what the quantized model feeds it is nearest to the float
    /// model's: `w + (w Σ (x' − x) xᵀ + Σ (h' − h) xᵀ) H⁻¹`.
    private void makeUp(int row, double[] w) {
        double[] shift = residual == null ? new double[w.length] : residual.row(row).clone();
        for (int i = 0; i < w.length; i++) {
            carry(w[i], inputs.row(i), shift, 0);
        }
        feedback.solve(shift);
        for (int i = 0; i < w.length; i++) {
            w[i] += shift[i];
        }
    }

    /// One row on its way.
    private final class Row {

        private final GroupCode code;
        private final int groupSize;
        private final double[] w;
        private final short[] q;
        private final short[] scales;
        private final byte[] zeros;

        /// What each group's operands count in.
        private final double[] s;

        /// What each column's code stands for.
        private final double[] operands;

        private final double[] error;
        private final double[] gradient;
        private final float[] value = new float[1];
        private final short[] nearest = new short[1];

        Row(RowSource source, int row, GroupCode code, int groupSize) {
            this.code = code;
            this.groupSize = groupSize;
            int columns = source.columns();
            float[] x = new float[columns];
            source.row(row, x);
            QuantizedRows.checkFinite(x, source.name(), row);
            w = new double[columns];
            q = new short[columns];
            operands = new double[columns];
            error = new double[columns];
            gradient = new double[columns];
            scales = new short[Math.ceilDiv(columns, groupSize)];
            zeros = new byte[scales.length];
            s = new double[scales.length];
            for (int i = 0; i < columns; i++) {
                w[i] = x[i];
            }
            if (inputs != null) {
                makeUp(row, w);
                for (int i = 0; i < columns; i++) {
                    x[i] = (float) w[i];
                }
            }
            WeightedSearch search = new WeightedSearch(code, x, weights);
            for (int group = 0; group < scales.length; group++) {
                int from = group * groupSize;
                int to = Math.min(columns, from + groupSize);
                short first = code.scale(x, from, to);
                if (Float.isInfinite(Float.float16ToFloat(first))) {
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            "tensor '%s' row %d columns %d to %d: the scale does not fit F16"
                                    .formatted(source.name(), row, from, to - 1));
                }
                search.find(from, to, first);
                zeros[group] = (byte) search.zero();
                set(group, search.scale());
            }
        }

        private void set(int group, short scale) {
            scales[group] = scale;
            s[group] = (double) Float.float16ToFloat(scale) * code.unit();
        }

        private int nearest(double wanted, int group) {
            value[0] = (float) wanted;
            code.encode(value, 0, 1, scales[group], zeros[group] & 0xff, nearest);
            return nearest[0];
        }

        private double operand(int of, int group) {
            return code.operand(of, zeros[group] & 0xff);
        }

        /// Rounds a column from what it is and what errors before it ask for.
        ///
        /// @return its error
        double round(int column, double carried) {
            int group = column / groupSize;
            q[column] = (short) nearest(w[column] + carried, group);
            operands[column] = operand(q[column], group);
            error[column] = w[column] - operands[column] * s[group];
            return error[column];
        }

        /// Scales and codes in turn, each to its best place.
        void improve() {
            for (int i = 0; i < w.length; i++) {
                if (error[i] != 0) {
                    carry(error[i], hessian.row(i), gradient, 0);
                }
            }
            for (int turn = 0; turn < TURNS; turn++) {
                boolean better = false;
                for (int group = 0; group < scales.length; group++) {
                    better |= improveScale(group);
                }
                for (int column : feedback.order()) {
                    better |= improveCode(column);
                }
                if (!better) {
                    return;
                }
            }
        }

        /// With all codes kept, the error is a parabola of the group's scale.
        private boolean improveScale(int group) {
            int from = group * groupSize;
            int to = Math.min(w.length, from + groupSize);
            double slope = 0;
            double curvature = 0;
            for (int i = from; i < to; i++) {
                slope += operands[i] * gradient[i];
                double[] row = hessian.row(i);
                double sum = 0;
                for (int j = from; j < to; j++) {
                    sum += row[j] * operands[j];
                }
                curvature += operands[i] * sum;
            }
            if (!(curvature > 0)) {
                return false;
            }
            double best = (s[group] + slope / curvature) / code.unit();
            short wanted = Float.floatToFloat16((float) best);
            double step = (double) Float.float16ToFloat(wanted) * code.unit() - s[group];
            boolean better =
                    !Double.isInfinite(step)
                            && wanted != scales[group]
                            && step * (step * curvature - 2 * slope) < 0;
            if (better) {
                set(group, wanted);
                for (int i = from; i < to; i++) {
                    if (operands[i] != 0) {
                        change(i, -operands[i] * step);
                    }
                }
            }
            return better;
        }

        /// With everything else kept, the error is a parabola of one weight.
        private boolean improveCode(int column) {
            int group = column / groupSize;
            double curvature = hessian.row(column)[column];
            double now = operands[column] * s[group];
            int wanted = nearest(now + gradient[column] / curvature, group);
            if (wanted == q[column]) {
                return false;
            }
            double operand = operand(wanted, group);
            double step = now - operand * s[group];
            if (!(step * (step * curvature + 2 * gradient[column]) < 0)) {
                return false;
            }
            q[column] = (short) wanted;
            operands[column] = operand;
            change(column, step);
            return true;
        }

        /// Adds to the error of one column.
        private void change(int column, double step) {
            error[column] += step;
            carry(step, hessian.row(column), gradient, 0);
        }
    }
}
