package dev.tokenlog.engine.quantize;

import java.util.List;

/// `int1`: the sign alone.
///
/// ```
/// s = F16(mean |x|)              the scale with the least squared error
/// q = 1 where x ≥ 0, otherwise 0
/// w = (2q − 1) · s
/// ```
///
/// Stored as `q`, eight to a byte, column `c` in bit `c mod 8`; unused bits of a row are 0.
record SignCode() implements GroupCode {

    static final SignCode CODE = new SignCode();

    @Override
    public int bits() {
        return 1;
    }

    @Override
    public short scale(float[] x, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += Math.abs(x[i]);
        }
        return Float.floatToFloat16((float) (sum / (to - from)));
    }

    @Override
    public int smallest() {
        return 0;
    }

    @Override
    public int largest() {
        return 1;
    }

    @Override
    public void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        for (int i = from; i < to; i++) {
            q[i] = (short) (x[i] >= 0 ? 1 : 0);
        }
    }

    @Override
    public int operand(int code, int zero) {
        return 2 * code - 1;
    }

    @Override
    public List<Scales> scales() {
        return List.of(Scales.LEAST_SQUARES);
    }

    @Override
    public void pack(short[] q, int columns, byte[] packed, int at) {
        Packing.pack(1, 0, q, columns, packed, at);
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        Packing.unpack(1, 0, packed, at, columns, q);
    }

    @Override
    public String formula(Scales scales) {
        return "w = (2q - 1) * s; s = F16(mean |w|), which has the least squared error;"
                + " q = w >= 0 ? 1 : 0";
    }
}
