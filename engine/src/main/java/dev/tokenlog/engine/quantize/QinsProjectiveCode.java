package dev.tokenlog.engine.quantize;

/// `qins8-proj`, inverse magnitude, projective: `z` falls onto the weights as by a lens, denser the
/// smaller they are.
///
/// ```
/// s = F16(amax · 32768 / 32767)
/// z(c) = 1/(1 + a) + c/127 · a/(1 + a)               a = 0.75
/// t(c) = rint(32767 · (1 − z(c)) / (a · z(c)))       from 1 at c = 0 down to 0 at c = 127
/// w = ± t(c) · 2⁻¹⁵ · s                              (sign, c) nearest to x
/// ```
///
/// With `a` towards 0 the steps become equal. 0.75 is fitted: within 1 % of the least squared error
/// for Gaussian weights in groups of 32, whose best is 0.6, and for Laplace ones, whose best is 1.
///
/// Stored as `c`, plus 128 where the weight is negative.
record QinsProjectiveCode(CodeTable table) implements TableCode {

    static final double A = 0.75;

    static final QinsProjectiveCode CODE =
            new QinsProjectiveCode(CodeTable.ofMagnitudes(128, QinsProjectiveCode::fraction));

    private static double fraction(int c) {
        double z = 1 / (1 + A) + c / 127.0 * A / (1 + A);
        return (1 - z) / (A * z);
    }

    @Override
    public int bits() {
        return 8;
    }

    @Override
    public float unit() {
        return CodeTable.FRACTION;
    }

    @Override
    public short scale(float[] x, int from, int to) {
        return CodeTable.scaleOfFractions(x, from, to);
    }

    @Override
    public String formula(Scales scales) {
        return "w = sign * rint(32767 * (1 - z)/(%s * z)) * 2^-15 * s, z = (1 + %s * c/127)/%s;"
                        .formatted(A, A, 1 + A)
                + " s = F16(max |w| * 32768/32767)";
    }
}
