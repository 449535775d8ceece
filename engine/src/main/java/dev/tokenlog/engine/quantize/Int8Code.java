package dev.tokenlog.engine.quantize;

/// `int8`, symmetric:
///
/// ```
/// s = F16(amax / 127)            amax the largest magnitude of the group; or near it, see Scales
/// q = clamp(rint(x / s), −127, 127)
/// w = q · s
/// ```
///
/// Stored as a signed byte. GGUF's Q8_0 blocks decode by the same formula.
record Int8Code() implements GroupCode {

    @Override
    public short scale(float[] x, int from, int to) {
        float amax = 0;
        for (int i = from; i < to; i++) {
            amax = Math.max(amax, Math.abs(x[i]));
        }
        return Float.floatToFloat16(amax / 127f);
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
