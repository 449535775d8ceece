package dev.tokenlog.engine.quantize;

/// Finds the scale of a group by trying all F16 numbers near the one that the element of largest
/// magnitude gives: `s` with the least `Σ (x − q(x, s) · s)²`, `q(x, s) = clamp(rint(x / s))`.
///
/// A little more or less moves every element against the grid of codes, and of some 240 grids one
/// fits best: 8-bit weights in groups of 32 come out with an eighth less error (root mean square),
/// 4-bit ones with a clipped extreme where that pays.
///
/// Squares are added in binary32 in the order of the columns, so the same bytes come out on every
/// machine. Of equal errors the scale nearest to the first one counts, the smaller of two as near.
final class LeastSquares {

    /// F16 steps to either side: 6 to 12 % of the scale.
    static final int REACH = 120;

    /// Adding and subtracting 1.5 · 2²³ rounds to an integer, ties to even.
    static final float ROUNDING = 0x1.8p23f;

    private static final int LARGEST_F16 = 0x7bff;

    /// Scales are tried in vectors of at most this many.
    private static final int LANES = 16;

    private static final boolean VECTORS =
            ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();

    private final float[] scales = new float[Math.ceilDiv(2 * REACH + 1, LANES) * LANES];
    private final float[] inverses = new float[scales.length];
    private final float[] errors = new float[scales.length];

    /// @param first F16 bits of a finite scale other than 0
    /// @return F16 bits
    short scale(GroupCode code, float[] x, int from, int to, short first) {
        int magnitude = first & 0x7fff;
        int sign = first & 0x8000;
        int low = Math.max(1, magnitude - REACH);
        int count = Math.min(LARGEST_F16, magnitude + REACH) - low + 1;
        for (int i = 0; i < count; i++) {
            scales[i] = Float.float16ToFloat((short) (sign | low + i));
            inverses[i] = 1f / scales[i];
        }
        if (VECTORS) {
            LeastSquaresVectors.errors(
                    x, from, to, code.smallest(), code.largest(), scales, inverses, errors);
        } else {
            errors(x, from, to, code.smallest(), code.largest(), scales, inverses, errors);
        }
        int best = magnitude - low;
        for (int distance = 1; distance <= REACH; distance++) {
            int below = magnitude - distance - low;
            int above = magnitude + distance - low;
            if (below >= 0 && errors[below] < errors[best]) {
                best = below;
            }
            if (above < count && errors[above] < errors[best]) {
                best = above;
            }
        }
        return (short) (sign | low + best);
    }

    /// The squared error of `x[from, to)` under every scale. Multiplying by the inverse may round a
    /// number half-way between two codes to the other one, which is as far away.
    static void errors(
            float[] x,
            int from,
            int to,
            float smallest,
            float largest,
            float[] scales,
            float[] inverses,
            float[] errors) {
        for (int i = 0; i < scales.length; i++) {
            float sum = 0f;
            for (int column = from; column < to; column++) {
                float q = x[column] * inverses[i];
                q = q > largest ? largest : q;
                q = q < smallest ? smallest : q;
                q = q + ROUNDING - ROUNDING;
                float error = x[column] - q * scales[i];
                sum += error * error;
            }
            errors[i] = sum;
        }
    }
}
