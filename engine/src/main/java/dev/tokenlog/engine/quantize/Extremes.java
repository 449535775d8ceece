package dev.tokenlog.engine.quantize;

/// What scales are made of.
final class Extremes {

    private Extremes() {}

    private static int magnitude(float x) {
        return Float.floatToRawIntBits(x) & 0x7fffffff;
    }

    static float largestMagnitude(float[] x, int from, int to) {
        return Math.abs(extreme(x, from, to));
    }

    /// The element of largest magnitude, the first of equals; +0 where all are 0.
    static float extreme(float[] x, int from, int to) {
        // Magnitudes are in the order of their bits. Two by two, so that no comparison waits for
        // the one before.
        int one = 0;
        int other = 0;
        int last = to - 1;
        for (int i = from; i < last; i += 2) {
            one = Math.max(one, magnitude(x[i]));
            other = Math.max(other, magnitude(x[i + 1]));
        }
        int largest = Math.max(Math.max(one, other), magnitude(x[last]));
        int place = from;
        while (magnitude(x[place]) != largest) {
            place++;
        }
        return largest == 0 ? 0 : x[place];
    }
}
