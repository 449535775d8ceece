package dev.tokenlog.engine.quantize;

/// `int8`, symmetric:
///
/// ```
/// s = F16(amax / 127)
/// q = clamp(rint(x / s), −127, 127)
/// w = q · s
/// ```
///
/// Stored as `q`, a signed byte. GGUF's Q8_0 blocks decode by the same formula.
record Int8Code() implements GroupCode {

    static final Int8Code CODE = new Int8Code();

    @Override
    public int bits() {
        return 8;
    }

    @Override
    public short scale(float[] x, int from, int to) {
        return Float.floatToFloat16(Extremes.largestMagnitude(x, from, to) / 127f);
    }

    @Override
    public int smallest() {
        return -127;
    }

    @Override
    public int largest() {
        return 127;
    }

    @Override
    public void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        SignedCode.round(this, x, from, to, scale, q);
    }

    @Override
    public void pack(short[] q, int columns, byte[] packed, int at) {
        for (int i = 0; i < columns; i++) {
            packed[at + i] = (byte) q[i];
        }
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        for (int i = 0; i < columns; i++) {
            q[i] = packed[at + i];
        }
    }

    @Override
    public String formula(Scales scales) {
        return switch (scales) {
            case ABSMAX -> "w = q * s; s = F16(amax/127); q = clamp(rint(w/s), -127, 127)";
            case LEAST_SQUARES ->
                    "w = q * s; s the F16 number within %d steps of F16(amax/127) with the least"
                                    .formatted(LeastSquares.REACH)
                            + " squared error; q = clamp(rint(w/s), -127, 127)";
        };
    }
}
