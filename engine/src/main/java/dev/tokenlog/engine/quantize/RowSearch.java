package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;

/// Looks for the scales and codes of one row with the least `E = eᵀ H e` of its error `e`: first
/// each column is rounded once, in an order and from values that somebody else decides ([#round]),
/// then scales, codes and pairs of codes move to better places ([#improve]). No move makes `E`
/// larger.
///
/// With the gradient `g = H e`, a step `a` of one weight's error changes `E` by `a (a H_ii + 2
/// g_i)`, and a pair of steps by both changes and `2 a b H_ij`.
final class RowSearch {

    /// Turns of scales and codes at most.
    private static final int TURNS = 4;

    /// Turns of pairs at most, each with turns of scales and codes behind it.
    private static final int PAIR_TURNS = 2;

    /// Of the curvatures of both steps: what a pair has to win, so that rounding is not taken for
    /// it.
    private static final double LEAST_GAIN = 1e-9;

    private final GroupCode code;
    private final int groupSize;
    private final Columns columns;
    private final Hessian hessian;
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

    /// What is the same for all rows.
    ///
    /// @param diagonal [Hessian#diagonal]
    /// @param correlations [Hessian#correlations]
    /// @param order in which columns are visited
    record Columns(Hessian hessian, double[] diagonal, double[] correlations, int[] order) {}

    /// @param name of the row, for errors
    /// @param w what the row is to stand for
    RowSearch(String name, double[] w, GroupCode code, int groupSize, Columns columns) {
        this(w, code, groupSize, columns);
        float[] x = new float[w.length];
        for (int i = 0; i < w.length; i++) {
            x[i] = (float) w[i];
        }
        WeightedSearch search = new WeightedSearch(code, x, columns.diagonal());
        for (int group = 0; group < scales.length; group++) {
            int from = group * groupSize;
            int to = Math.min(w.length, from + groupSize);
            short first = code.scale(x, from, to);
            if (Float.isInfinite(Float.float16ToFloat(first))) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "%s columns %d to %d: the scale does not fit F16"
                                .formatted(name, from, to - 1));
            }
            search.find(from, to, first);
            zeros[group] = (byte) search.zero();
            set(group, search.scale());
        }
    }

    private RowSearch(double[] w, GroupCode code, int groupSize, Columns columns) {
        int groups = Math.ceilDiv(w.length, groupSize);
        this.w = w;
        this.code = code;
        this.groupSize = groupSize;
        this.columns = columns;
        this.hessian = columns.hessian();
        this.q = new short[w.length];
        this.operands = new double[w.length];
        this.error = new double[w.length];
        this.gradient = new double[w.length];
        this.scales = new short[groups];
        this.zeros = new byte[groups];
        this.s = new double[groups];
    }

    /// The same row with the scales and zero points that are found by now, and no codes yet.
    RowSearch withScalesKept() {
        RowSearch kept = new RowSearch(w, code, groupSize, columns);
        for (int group = 0; group < scales.length; group++) {
            kept.zeros[group] = zeros[group];
            kept.set(group, scales[group]);
        }
        return kept;
    }

    short[] codes() {
        return q;
    }

    /// F16 bits.
    short[] scales() {
        return scales;
    }

    byte[] zeros() {
        return zeros;
    }

    /// `eᵀ H e`, after [#improve].
    double error() {
        double sum = 0;
        for (int i = 0; i < w.length; i++) {
            sum += error[i] * gradient[i];
        }
        return sum;
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

    /// Scales, codes and pairs of codes in turn, as long as something gets better, for a bounded
    /// number of turns.
    void improve() {
        for (int i = 0; i < w.length; i++) {
            if (error[i] != 0) {
                SecondOrder.carry(error[i], hessian.row(i), gradient, 0);
            }
        }
        improveOneByOne();
        for (int turn = 0; turn < PAIR_TURNS && new Pairs().improve(); turn++) {
            improveOneByOne();
        }
    }

    private void improveOneByOne() {
        for (int turn = 0; turn < TURNS; turn++) {
            boolean better = false;
            for (int group = 0; group < scales.length; group++) {
                better |= improveScale(group);
            }
            for (int column : columns.order()) {
                better |= improveCode(column);
            }
            if (!better) {
                return;
            }
        }
    }

    /// With all codes kept, `E` is a parabola of the group's scale.
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

    /// With everything else kept, `E` is a parabola of one weight.
    private boolean improveCode(int column) {
        int group = column / groupSize;
        double curvature = columns.diagonal()[column];
        double now = operands[column] * s[group];
        int wanted = nearest(now + gradient[column] / curvature, group);
        if (wanted == q[column]) {
            return false;
        }
        double step = now - operand(wanted, group) * s[group];
        if (!(step * (step * curvature + 2 * gradient[column]) < 0)) {
            return false;
        }
        move(column, wanted, step);
        return true;
    }

    /// Gives a column another code, which adds `step` to its error.
    private void move(int column, int wanted, double step) {
        q[column] = (short) wanted;
        operands[column] = operand(wanted, column / groupSize);
        change(column, step);
    }

    /// Adds to the error of one column.
    private void change(int column, double step) {
        error[column] += step;
        SecondOrder.carry(step, hessian.row(column), gradient, 0);
    }

    /// The steps of every column to the code above and to the one below, and what each would do.
    private final class Pairs {

        private final Steps up = new Steps(1);
        private final Steps down = new Steps(-1);

        /// Where single codes hardly get better, two together may: visits every column and moves it
        /// with the best other one.
        ///
        /// Of two steps with changes `α a² H_ii` and `β b² H_jj` that win together, one has an `α`
        /// below the columns' correlation: `2 |a b H_ij| > α a² H_ii + β b² H_jj ≥ 2 √(α β H_ii
        /// H_jj) |a b|`, unless one is negative. So only steps below the largest correlation of
        /// their column need be tried with all others.
        boolean improve() {
            boolean better = false;
            for (int i = 0; i < w.length; i++) {
                prepare(i);
            }
            for (int column : columns.order()) {
                better |= improve(column, up) || improve(column, down);
            }
            return better;
        }

        private void prepare(int column) {
            up.prepare(column);
            down.prepare(column);
        }

        private boolean improve(int i, Steps steps) {
            double step = steps.step[i];
            double alone = steps.change[i];
            double[] row = hessian.row(i);
            double curvature = step * step * columns.diagonal()[i];
            if (!(alone < columns.correlations()[i] * curvature)) {
                return false;
            }
            double least = 0;
            int other = -1;
            Steps otherSteps = null;
            for (int j = 0; j < w.length; j++) {
                double slope = 2 * step * row[j];
                double above = alone + up.change[j] + slope * up.step[j];
                double below = alone + down.change[j] + slope * down.step[j];
                if (above < least && j != i) {
                    least = above;
                    other = j;
                    otherSteps = up;
                }
                if (below < least && j != i) {
                    least = below;
                    other = j;
                    otherSteps = down;
                }
            }
            if (other < 0) {
                return false;
            }
            double otherStep = otherSteps.step[other];
            double otherCurvature = otherStep * otherStep * columns.diagonal()[other];
            if (!(least < -LEAST_GAIN * (curvature + otherCurvature))) {
                return false;
            }
            move(i, code.neighbour(q[i], steps.by), step);
            move(other, code.neighbour(q[other], otherSteps.by), otherStep);
            for (int k = 0; k < w.length; k++) {
                prepare(k);
            }
            return true;
        }
    }

    /// One step of each column's code.
    private final class Steps {

        private final int by;

        /// What it adds to the column's error; NaN: there is no such code, or it stands for the
        /// same.
        private final double[] step = new double[w.length];

        /// What it adds to `E`; NaN, which wins no comparison, where there is no step.
        private final double[] change = new double[w.length];

        Steps(int by) {
            this.by = by;
        }

        void prepare(int column) {
            int group = column / groupSize;
            int wanted = code.neighbour(q[column], by);
            double a =
                    wanted == GroupCode.NO_CODE
                            ? 0
                            : (operands[column] - operand(wanted, group)) * s[group];
            step[column] = a == 0 ? Double.NaN : a;
            change[column] = step[column] * (a * columns.diagonal()[column] + 2 * gradient[column]);
        }
    }
}
