package dev.tokenlog.engine.quantize;

/// `int4`, symmetric, with a signed scale so that the extreme of the group is met by −8:
///
/// ```
/// s = F16(m / −8)                m the element of largest magnitude, the first of equals
/// q = clamp(rint(x / s), −8, 7)
/// w = q · s
/// ```
///
/// Stored as `q + 8`, two to a byte, the even column in the low four bits; the last high half of an
/// odd row is 0. GGUF's Q4_0 blocks decode by the same formula.
record Int4Code() implements GroupCode {

    @Override
    public short scale(float[] x, int from, int to) {
        float extreme = 0;
        for (int i = from; i < to; i++) {
            if (Math.abs(x[i]) > Math.abs(extreme)) {
                extreme = x[i];
            }
        }
        return Float.floatToFloat16(extreme / -8f);
    }

    @Override
    public int smallest() {
        return -8;
    }

    @Override
    public int largest() {
        return 7;
    }

    @Override
    public int bytesPerRow(int columns) {
        return Math.ceilDiv(columns, 2);
    }

    @Override
    public void pack(byte[] q, int columns, byte[] packed, int at) {
        int pairs = columns / 2;
        for (int i = 0; i < pairs; i++) {
            packed[at + i] = (byte) (q[2 * i] + 8 | q[2 * i + 1] + 8 << 4);
        }
        if (columns % 2 != 0) {
            packed[at + pairs] = (byte) (q[columns - 1] + 8);
        }
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, byte[] q) {
        for (int i = 0; i < columns; i++) {
            int pair = packed[at + i / 2] & 0xff;
            q[i] = (byte) ((i % 2 == 0 ? pair & 0xf : pair >>> 4) - 8);
        }
    }

    @Override
    public String formula(Scales scales) {
        String first = "F16(m/-8), m the element of largest magnitude";
        return switch (scales) {
                    case ABSMAX -> "w = q * s; s = " + first;
                    case LEAST_SQUARES ->
                            "w = q * s; s the F16 number within %d steps of %s, with the least squared error"
                                    .formatted(LeastSquares.REACH, first);
                }
                + "; q = clamp(rint(w/s), -8, 7), stored as q + 8";
    }
}
