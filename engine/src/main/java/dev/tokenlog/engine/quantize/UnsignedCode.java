package dev.tokenlog.engine.quantize;

import java.util.Arrays;
import java.util.List;

/// `uint8`, `uint4` and `uint2`, asymmetric: a scale and a zero point for each group, with `L` the
/// largest code, 255, 15 or 3:
///
/// ```
/// lo = min(0, min x), hi = max(0, max x)
/// s = F16((hi − lo) / L),  z = clamp(rint(−lo / s), 0, L)
/// q = clamp(rint(x / s) + z, 0, L)
/// w = (q − z) · s
/// ```
///
/// A group of one number v all over has `s = F16(v)`, `z = 0`, `q = 1`: exact wherever F16 holds v.
///
/// Stored as `q`, one, two or four to a byte, the first column in the lowest bits; zero points as
/// bytes.
record UnsignedCode(int bits) implements GroupCode {

    static final UnsignedCode OF_8_BITS = new UnsignedCode(8);
    static final UnsignedCode OF_4_BITS = new UnsignedCode(4);
    static final UnsignedCode OF_2_BITS = new UnsignedCode(2);

    /// 0 is always in reach: a weight that is 0 stays 0, and a zero point fits in its byte.
    @Override
    public short scale(float[] x, int from, int to) {
        float low = smallest(x, from, to);
        float high = largest(x, from, to);
        return Float.floatToFloat16(
                low == high ? low : (Math.max(0f, high) - Math.min(0f, low)) / largest());
    }

    @Override
    public int zeroPoint(float[] x, int from, int to, short scale) {
        float s = Float.float16ToFloat(scale);
        float low = smallest(x, from, to);
        if (s == 0 || low >= 0 || low == largest(x, from, to)) {
            return 0;
        }
        return Math.clamp((long) Math.rint(-low / s), 0, largest());
    }

    private static float smallest(float[] x, int from, int to) {
        float smallest = x[from];
        for (int i = from + 1; i < to; i++) {
            smallest = Math.min(smallest, x[i]);
        }
        return smallest;
    }

    private static float largest(float[] x, int from, int to) {
        float largest = x[from];
        for (int i = from + 1; i < to; i++) {
            largest = Math.max(largest, x[i]);
        }
        return largest;
    }

    @Override
    public int smallest() {
        return 0;
    }

    @Override
    public int largest() {
        return (1 << bits) - 1;
    }

    @Override
    public void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        float s = Float.float16ToFloat(scale);
        if (s == 0) {
            Arrays.fill(q, from, to, (short) zero);
            return;
        }
        float low = -zero;
        float high = largest() - zero;
        for (int i = from; i < to; i++) {
            q[i] = (short) (SignedCode.rounded(Math.max(low, Math.min(high, x[i] / s))) + zero);
        }
    }

    @Override
    public List<Scales> scales() {
        return List.of(Scales.ABSMAX);
    }

    @Override
    public void pack(short[] q, int columns, byte[] packed, int at) {
        Packing.pack(bits, 0, q, columns, packed, at);
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        Packing.unpack(bits, 0, packed, at, columns, q);
    }

    @Override
    public String formula(Scales scales) {
        int l = largest();
        return ("w = (q - z) * s; s = F16((max(0, max w) - min(0, min w))/%d);"
                        + " z = clamp(rint(-min(0, min w)/s), 0, %d);"
                        + " q = clamp(rint(w/s) + z, 0, %d); a group of one number v: s = F16(v),"
                        + " z = 0, q = 1")
                .formatted(l, l, l);
    }
}
