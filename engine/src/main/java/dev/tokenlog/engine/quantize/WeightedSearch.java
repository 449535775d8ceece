package dev.tokenlog.engine.quantize;

/// Finds scale and zero point of a group by trying factors of the scale that the code itself finds:
/// a smaller scale clips the extremes and is finer for all others.
final class WeightedSearch {

    /// Factors tried: from two fifths of the first scale to a quarter more.
    private static final int STEPS = 28;

    private static final double LEAST = 0.40;
    private static final double MOST = 1.24;

    /// Zero points tried to either side of the one that the code finds.
    private static final int ZEROS = 2;

    private final GroupCode code;
    private final float[] x;
    private final double[] weights;
    private final short[] q;
    private double least;
    private short scale;
    private int zero;

    /// @param x a row
    /// @param weights one for each column
    WeightedSearch(GroupCode code, float[] x, double[] weights) {
        this.code = code;
        this.x = x;
        this.weights = weights;
        this.q = new short[x.length];
    }

    /// The scale and the zero point of the least `Σ v_i (x_i − ŵ_i)²`, then in [#scale] and
    /// [#zero].
    ///
    /// @param first F16 bits of a finite scale
    void find(int from, int to, short first) {
        least = Double.POSITIVE_INFINITY;
        scale = first;
        zero = code.zeroPoint(x, from, to, first);
        float largest = Float.float16ToFloat(first);
        if (largest == 0) {
            return;
        }
        attempt(from, to, scale, zero);
        // Only codes that reach further to one side than to the other know a sign of the scale.
        int signs = code.smallest() + code.largest() == -1 ? 2 : 1;
        for (int step = 0; step <= STEPS; step++) {
            double factor = LEAST + (MOST - LEAST) * step / STEPS;
            for (int sign = 0; sign < signs; sign++) {
                double wanted = sign == 0 ? factor * largest : -factor * largest;
                tryScale(from, to, Float.floatToFloat16((float) wanted));
            }
        }
    }

    private void tryScale(int from, int to, short wanted) {
        float s = Float.float16ToFloat(wanted);
        if (s == 0 || Float.isInfinite(s)) {
            return;
        }
        if (!(code instanceof UnsignedCode)) {
            attempt(from, to, wanted, 0);
            return;
        }
        int middle = code.zeroPoint(x, from, to, wanted);
        for (int z = middle - ZEROS; z <= middle + ZEROS; z++) {
            if (z >= code.smallest() && z <= code.largest()) {
                attempt(from, to, wanted, z);
            }
        }
    }

    private void attempt(int from, int to, short wanted, int wantedZero) {
        code.encode(x, from, to, wanted, wantedZero, q);
        double s = (double) Float.float16ToFloat(wanted) * code.unit();
        double sum = 0;
        for (int i = from; i < to; i++) {
            double error = x[i] - code.operand(q[i], wantedZero) * s;
            sum += weights[i] * error * error;
        }
        if (sum < least) {
            least = sum;
            scale = wanted;
            zero = wantedZero;
        }
    }

    /// F16 bits.
    short scale() {
        return scale;
    }

    int zero() {
        return zero;
    }
}
