package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import java.util.Arrays;

/// Cosines and sines of all positions in use, one row of `pairs()` numbers per position: computed
/// in double with `StrictMath`, rounded once.
final class RotaryTable {

    private final Rotary rotary;
    private float[] cos = new float[0];
    private float[] sin = new float[0];
    private int positions;

    RotaryTable(Rotary rotary) {
        this.rotary = rotary;
    }

    int pairs() {
        return rotary.inverseFrequencies().size();
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
        int pairs = pairs();
        int grown = Math.max(count, Math.min(2 * positions, count + 4096));
        cos = Arrays.copyOf(cos, Math.multiplyExact(grown, pairs));
        sin = Arrays.copyOf(sin, grown * pairs);
        for (int position = positions; position < grown; position++) {
            for (int pair = 0; pair < pairs; pair++) {
                double angle = position * rotary.inverseFrequencies().get(pair);
                int index = position * pairs + pair;
                cos[index] = (float) (StrictMath.cos(angle) * rotary.attentionFactor());
                sin[index] = (float) (StrictMath.sin(angle) * rotary.attentionFactor());
            }
        }
        positions = grown;
    }
}
