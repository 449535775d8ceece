package dev.tokenlog.engine.transformer;

import java.util.Arrays;
import java.util.List;

/// Cosines and sines of all positions in use, one row of `pairs()` numbers per position: computed
/// in double with `StrictMath`, rounded once.
final class RotaryTable {

    private final double[] frequencies;
    private final double attentionFactor;
    private float[] cos = new float[0];
    private float[] sin = new float[0];
    private int positions;

    RotaryTable(List<Double> inverseFrequencies, double attentionFactor) {
        this.frequencies = inverseFrequencies.stream().mapToDouble(Double::doubleValue).toArray();
        this.attentionFactor = attentionFactor;
    }

    int pairs() {
        return frequencies.length;
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
        int pairs = frequencies.length;
        int grown = Math.max(count, Math.min(2 * positions, count + 4096));
        cos = Arrays.copyOf(cos, Math.multiplyExact(grown, pairs));
        sin = Arrays.copyOf(sin, grown * pairs);
        for (int position = positions; position < grown; position++) {
            for (int pair = 0; pair < pairs; pair++) {
                double angle = position * frequencies[pair];
                int index = position * pairs + pair;
                cos[index] = (float) (StrictMath.cos(angle) * attentionFactor);
                sin[index] = (float) (StrictMath.sin(angle) * attentionFactor);
            }
        }
        positions = grown;
    }
}
