package dev.tokenlog.engine.quantize;

/// How far quantized weights ŵ are from their source w, summed in double precision. Parts that are
/// merged in the same order give the same bits.
public final class ErrorMeasures {

    private double squaredError;
    private double squaredSource;
    private double squaredResult;
    private double product;
    private double absoluteError;
    private double absoluteSource;
    private double max;

    /// Adds one group: source `x` and codes `q` in `[from, to)`, their scale and zero point.
    void add(float[] x, GroupCode code, short[] q, float scale, int zero, int from, int to) {
        float unit = code.unit() * scale;
        // Sums in variables: in fields, each would wait for the memory that the one before wrote.
        double squaredErrors = squaredError;
        double squaredSources = squaredSource;
        double squaredResults = squaredResult;
        double products = product;
        double absoluteErrors = absoluteError;
        double absoluteSources = absoluteSource;
        double largest = max;
        for (int i = from; i < to; i++) {
            double w = x[i];
            double v = code.operand(q[i], zero) * unit;
            double error = Math.abs(w - v);
            squaredErrors += error * error;
            squaredSources += w * w;
            squaredResults += v * v;
            products += w * v;
            absoluteErrors += error;
            absoluteSources += Math.abs(w);
            largest = Math.max(largest, error);
        }
        squaredError = squaredErrors;
        squaredSource = squaredSources;
        squaredResult = squaredResults;
        product = products;
        absoluteError = absoluteErrors;
        absoluteSource = absoluteSources;
        max = largest;
    }

    /// Adds one pair.
    public void add(float source, float result) {
        double w = source;
        double v = result;
        double error = Math.abs(w - v);
        squaredError += error * error;
        squaredSource += w * w;
        squaredResult += v * v;
        product += w * v;
        absoluteError += error;
        absoluteSource += Math.abs(w);
        max = Math.max(max, error);
    }

    public void merge(ErrorMeasures other) {
        squaredError += other.squaredError;
        squaredSource += other.squaredSource;
        squaredResult += other.squaredResult;
        product += other.product;
        absoluteError += other.absoluteError;
        absoluteSource += other.absoluteSource;
        max = Math.max(max, other.max);
    }

    /// `‖w − ŵ‖²`.
    public double squaredError() {
        return squaredError;
    }

    /// `‖w − ŵ‖ / ‖w‖`; 0 where both are zero.
    public double relativeL2() {
        return ratio(Math.sqrt(squaredError), Math.sqrt(squaredSource));
    }

    /// `Σ|w − ŵ| / Σ|w|`; 0 where both are zero.
    public double meanRelative() {
        return ratio(absoluteError, absoluteSource);
    }

    /// `max |w − ŵ|`.
    public double max() {
        return max;
    }

    /// `w·ŵ / (‖w‖ ‖ŵ‖)`; 1 where both are zero, 0 where one is.
    public double cosine() {
        double norms = Math.sqrt(squaredSource) * Math.sqrt(squaredResult);
        if (norms == 0) {
            return squaredError == 0 ? 1 : 0;
        }
        return product / norms;
    }

    /// A source of zeros has only zeros for codes, so that nothing is ever divided by zero.
    private static double ratio(double error, double source) {
        return error == 0 ? 0 : error / source;
    }
}
