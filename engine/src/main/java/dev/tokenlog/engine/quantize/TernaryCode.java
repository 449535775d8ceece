package dev.tokenlog.engine.quantize;

import java.util.Arrays;
import java.util.List;

/// `ternary`: −1, 0 or 1.
///
/// ```
/// s = F16(mean of the k largest |x|)    k with the least squared error: Σ² / k is largest
/// q = clamp(rint(x / s), −1, 1)
/// w = q · s
/// ```
///
/// Stored five to a byte, `Σ (q + 1) · 3ⁱ` with the first column as `i = 0`: 1.6 bits each. Digits
/// that a row does not use are 0. Bytes above 242 do not occur; read as `⌊byte / 3ⁱ⌋ mod 3`, they
/// would have a meaning as well.
record TernaryCode() implements GroupCode {

    static final TernaryCode CODE = new TernaryCode();

    private static final int PER_BYTE = 5;

    @Override
    public int bits() {
        return 2;
    }

    /// The smallest `k` of equals.
    @Override
    public short scale(float[] x, int from, int to) {
        float[] magnitudes = new float[to - from];
        for (int i = from; i < to; i++) {
            magnitudes[i - from] = Math.abs(x[i]);
        }
        Arrays.sort(magnitudes);
        double sum = 0;
        double best = 0;
        double scale = 0;
        for (int k = 1; k <= magnitudes.length; k++) {
            sum += magnitudes[magnitudes.length - k];
            if (sum * sum / k > best) {
                best = sum * sum / k;
                scale = sum / k;
            }
        }
        return Float.floatToFloat16((float) scale);
    }

    @Override
    public int smallest() {
        return -1;
    }

    @Override
    public int largest() {
        return 1;
    }

    @Override
    public void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        SignedCode.round(this, x, from, to, scale, q);
    }

    @Override
    public List<Scales> scales() {
        return List.of(Scales.LEAST_SQUARES);
    }

    @Override
    public void pack(short[] q, int columns, byte[] packed, int at) {
        for (int from = 0; from < columns; from += PER_BYTE) {
            int one = 0;
            for (int i = Math.min(columns, from + PER_BYTE) - 1; i >= from; i--) {
                one = 3 * one + q[i] + 1;
            }
            packed[at + from / PER_BYTE] = (byte) one;
        }
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        for (int from = 0; from < columns; from += PER_BYTE) {
            int rest = packed[at + from / PER_BYTE] & 0xff;
            for (int i = from; i < Math.min(columns, from + PER_BYTE); i++) {
                q[i] = (short) (rest % 3 - 1);
                rest /= 3;
            }
        }
    }

    @Override
    public String formula(Scales scales) {
        return "w = q * s; s = F16(mean of the k largest |w|), k with the least squared error;"
                + " q = clamp(rint(w/s), -1, 1), five to a byte as sum (q + 1) * 3^i";
    }
}
