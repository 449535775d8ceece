package dev.tokenlog.engine.quantize;

/// `fp4`, floating point in 4 bits: sign, 2 bits of exponent, 1 bit of mantissa, no infinities. The
/// element of the OCP Microscaling formats (version 1.0, section 5.3.3, E2M1), with the scales of
/// this project instead of powers of two.
///
/// ```
/// s = F16(max|x| / 12)
/// w = t(q) · s                   q nearest to x
/// t = 0 1 2 3 4 6 8 12, with the sign in the highest bit: twice what E2M1 stands for
/// ```
///
/// The code of −0 is read and never written. Stored two to a byte, the first column in the low four
/// bits.
record Fp4Code(CodeTable table) implements TableCode {

    private static final int LARGEST = 12;

    static final Fp4Code CODE =
            new Fp4Code(
                    new CodeTable(
                            0, 1, 2, 3, 4, 6, 8, LARGEST, 0, -1, -2, -3, -4, -6, -8, -LARGEST));

    @Override
    public int bits() {
        return 4;
    }

    @Override
    public short scale(float[] x, int from, int to) {
        return Float.floatToFloat16(Extremes.largestMagnitude(x, from, to) / LARGEST);
    }

    @Override
    public String formula(Scales scales) {
        return "w = t[q] * s; s = F16(amax/12); t = 0 1 2 3 4 6 8 12 0 -1 -2 -3 -4 -6 -8 -12";
    }
}
