package dev.tokenlog.engine.quantize;

/// What scales are made of.
final class Extremes {

    private Extremes() {}

    static float largestMagnitude(float[] x, int from, int to) {
        return Math.abs(extreme(x, from, to));
    }

    /// The element of largest magnitude, the first of equals; +0 where all are 0.
    static float extreme(float[] x, int from, int to) {
        float extreme = 0;
        for (int i = from; i < to; i++) {
            if (Math.abs(x[i]) > Math.abs(extreme)) {
                extreme = x[i];
            }
        }
        return extreme;
    }
}
