package dev.tokenlog.engine.quantize;

import java.util.Arrays;

/// `int4` and `int2`, symmetric, with a signed scale so that the extreme of the group is met by the
/// smallest code, `−L` with `L = 8` or `L = 2`:
///
/// ```
/// s = F16(m / −L)                m the element of largest magnitude, the first of equals
/// q = clamp(rint(x / s), −L, L − 1)
/// w = q · s
/// ```
///
/// Stored as `q + L`, two or four to a byte, the first column in the lowest bits; unused bits of an
/// odd row are 0. GGUF's Q4_0 blocks decode by the same formula.
record SignedCode(int bits) implements GroupCode {

    static final SignedCode OF_4_BITS = new SignedCode(4);
    static final SignedCode OF_2_BITS = new SignedCode(2);

    @Override
    public short scale(float[] x, int from, int to) {
        return Float.floatToFloat16(Extremes.extreme(x, from, to) / smallest());
    }

    @Override
    public int smallest() {
        return -1 << bits - 1;
    }

    @Override
    public int largest() {
        return (1 << bits - 1) - 1;
    }

    @Override
    public void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        round(this, x, from, to, scale, q);
    }

    /// `q = clamp(rint(x / s), smallest, largest)`; all 0 where `s` is 0.
    static void round(GroupCode code, float[] x, int from, int to, short scale, short[] q) {
        float s = Float.float16ToFloat(scale);
        if (s == 0) {
            Arrays.fill(q, from, to, (short) 0);
            return;
        }
        float low = code.smallest();
        float high = code.largest();
        for (int i = from; i < to; i++) {
            q[i] = (short) rounded(Math.max(low, Math.min(high, x[i] / s)));
        }
    }

    /// `rint` of a number that is small against 2²²: the sum has no bits for fractions. Between
    /// whole bounds it does not matter whether a number is rounded or clamped first. Compilers turn
    /// this into vectors, and `Math.rint` they do not.
    static int rounded(float small) {
        return (int) (small + LeastSquares.ROUNDING - LeastSquares.ROUNDING);
    }

    @Override
    public void pack(short[] q, int columns, byte[] packed, int at) {
        Packing.pack(bits, -smallest(), q, columns, packed, at);
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        Packing.unpack(bits, -smallest(), packed, at, columns, q);
    }

    @Override
    public String formula(Scales scales) {
        String first = "F16(m/%d), m the element of largest magnitude".formatted(smallest());
        String found =
                switch (scales) {
                    case ABSMAX -> "w = q * s; s = " + first;
                    case LEAST_SQUARES ->
                            "w = q * s; s the F16 number within %d steps of %s, with the least squared error"
                                    .formatted(LeastSquares.REACH, first);
                };
        return found
                + "; q = clamp(rint(w/s), %d, %d), stored as q + %d"
                        .formatted(smallest(), largest(), -smallest());
    }
}
