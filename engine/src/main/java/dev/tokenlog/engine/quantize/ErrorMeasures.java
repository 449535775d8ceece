package dev.tokenlog.engine.quantize;

import java.util.Arrays;

/// How far quantized weights ŵ are from their source w, summed in double precision. Column c of a
/// row counts in lane c mod 8 of a sum, so that eight are added at once; parts that are merged in
/// the same order give the same bits.
public final class ErrorMeasures {

    static final int LANES = 8;

    private static final int SQUARED_ERROR = 0;
    private static final int SQUARED_SOURCE = 1;
    private static final int SQUARED_RESULT = 2;
    private static final int PRODUCT = 3;
    private static final int ABSOLUTE_ERROR = 4;
    private static final int ABSOLUTE_SOURCE = 5;
    private static final int MAX = 6;

    private static final int MEASURES = 7;

    private final double[] sums = new double[MEASURES * LANES];

    /// `[measure][lane]`: `(w − ŵ)²`, `w²`, `ŵ²`, `w ŵ`, `|w − ŵ|`, `|w|`, and the largest `|w −
    /// ŵ|`.
    double[] sums() {
        return sums;
    }

    /// Adds one group of a row: source `x` and codes `q` in columns `[from, to)`, their scale and
    /// zero point.
    void add(float[] x, GroupCode code, short[] q, float scale, int zero, int from, int to) {
        float unit = code.unit() * scale;
        for (int i = from; i < to; i++) {
            add(i % LANES, x[i], code.operand(q[i], zero) * unit);
        }
    }

    /// Adds one pair.
    public void add(float source, float result) {
        add(0, source, result);
    }

    private void add(int lane, double w, double v) {
        double error = Math.abs(w - v);
        sums[SQUARED_ERROR * LANES + lane] += error * error;
        sums[SQUARED_SOURCE * LANES + lane] += w * w;
        sums[SQUARED_RESULT * LANES + lane] += v * v;
        sums[PRODUCT * LANES + lane] += w * v;
        sums[ABSOLUTE_ERROR * LANES + lane] += error;
        sums[ABSOLUTE_SOURCE * LANES + lane] += Math.abs(w);
        sums[MAX * LANES + lane] = Math.max(sums[MAX * LANES + lane], error);
    }

    public void merge(ErrorMeasures other) {
        for (int i = 0; i < MAX * LANES; i++) {
            sums[i] += other.sums[i];
        }
        for (int i = MAX * LANES; i < sums.length; i++) {
            sums[i] = Math.max(sums[i], other.sums[i]);
        }
    }

    /// Lanes by halves: four and four, two and two, one and one.
    private double sum(int measure) {
        double[] lanes = Arrays.copyOfRange(sums, measure * LANES, (measure + 1) * LANES);
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int lane = 0; lane < half; lane++) {
                lanes[lane] += lanes[lane + half];
            }
        }
        return lanes[0];
    }

    /// `‖w − ŵ‖²`.
    public double squaredError() {
        return sum(SQUARED_ERROR);
    }

    /// `‖w − ŵ‖ / ‖w‖`; 0 where both are zero.
    public double relativeL2() {
        return ratio(Math.sqrt(squaredError()), Math.sqrt(sum(SQUARED_SOURCE)));
    }

    /// `Σ|w − ŵ| / Σ|w|`; 0 where both are zero.
    public double meanRelative() {
        return ratio(sum(ABSOLUTE_ERROR), sum(ABSOLUTE_SOURCE));
    }

    /// `max |w − ŵ|`.
    public double max() {
        return Arrays.stream(sums, MAX * LANES, sums.length).max().orElseThrow();
    }

    /// `w·ŵ / (‖w‖ ‖ŵ‖)`; 1 where both are zero, 0 where one is.
    public double cosine() {
        double norms = Math.sqrt(sum(SQUARED_SOURCE)) * Math.sqrt(sum(SQUARED_RESULT));
        if (norms == 0) {
            return squaredError() == 0 ? 1 : 0;
        }
        return sum(PRODUCT) / norms;
    }

    /// A source of zeros has only zeros for codes, so that nothing is ever divided by zero.
    private static double ratio(double error, double source) {
        return error == 0 ? 0 : error / source;
    }
}
