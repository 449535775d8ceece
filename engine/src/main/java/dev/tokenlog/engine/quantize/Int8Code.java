package dev.tokenlog.engine.quantize;

import java.util.Arrays;

/// `int8`, symmetric:
///
/// ```
/// s = F16(amax / 127)            amax the largest magnitude of the group
/// q = clamp(rint(x / s), −127, 127)
/// w = q · s
/// ```
///
/// Stored as a signed byte. GGUF's Q8_0 blocks decode by the same formula.
record Int8Code() implements GroupCode {

    @Override
    public short quantize(float[] x, int from, int to, byte[] q) {
        float amax = 0;
        for (int i = from; i < to; i++) {
            amax = Math.max(amax, Math.abs(x[i]));
        }
        short scale = Float.floatToFloat16(amax / 127f);
        float s = Float.float16ToFloat(scale);
        if (s == 0) {
            Arrays.fill(q, from, to, (byte) 0);
            return scale;
        }
        for (int i = from; i < to; i++) {
            q[i] = (byte) Math.clamp((long) Math.rint(x[i] / s), -127, 127);
        }
        return scale;
    }

    @Override
    public int bytesPerRow(int columns) {
        return columns;
    }

    @Override
    public void pack(byte[] q, int columns, byte[] packed, int at) {
        System.arraycopy(q, 0, packed, at, columns);
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, byte[] q) {
        System.arraycopy(packed, at, q, 0, columns);
    }

    @Override
    public String formula() {
        return "w = q * s; s = F16(amax/127); q = clamp(rint(w/s), -127, 127)";
    }
}
