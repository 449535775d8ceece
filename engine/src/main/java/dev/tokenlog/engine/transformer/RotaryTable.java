package dev.tokenlog.engine.transformer;

import java.util.Arrays;

/// Cosines and sines of all positions in use, one row of `pairs()` numbers per position: computed
/// in double with `StrictMath`, rounded once.
final class RotaryTable {

    /// The inverse frequency of a pair at a position.
    @FunctionalInterface
    interface Frequencies {
        double at(int position, int pair);
    }

    private final int pairs;
    private final double attentionFactor;
    private final Frequencies frequencies;
    private float[] cos = new float[0];
    private float[] sin = new float[0];
    private int positions;

    RotaryTable(int pairs, double attentionFactor, Frequencies frequencies) {
        this.pairs = pairs;
        this.attentionFactor = attentionFactor;
        this.frequencies = frequencies;
    }

    int pairs() {
        return pairs;
    }

    float[] cos() {
        return cos;
    }

    float[] sin() {
        return sin;
    }

    /// Makes rows for this many positions; outside of a step.
    void reserve(int count) {
        if (count <= positions) {
            return;
        }
        int grown = Math.max(count, Math.min(2 * positions, count + 4096));
        cos = Arrays.copyOf(cos, Math.multiplyExact(grown, pairs));
        sin = Arrays.copyOf(sin, grown * pairs);
        for (int position = positions; position < grown; position++) {
            for (int pair = 0; pair < pairs; pair++) {
                double angle = position * frequencies.at(position, pair);
                int index = position * pairs + pair;
                cos[index] = (float) (StrictMath.cos(angle) * attentionFactor);
                sin[index] = (float) (StrictMath.sin(angle) * attentionFactor);
            }
        }
        positions = grown;
    }
}
