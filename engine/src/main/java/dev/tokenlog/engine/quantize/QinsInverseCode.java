package dev.tokenlog.engine.quantize;

/// `qins8-inv`, inverse magnitude by the original law: a weight is the reciprocal of its code.
///
/// ```
/// s = F16(amax · 32768 / 32767)
/// t(c) = rint(32767 / c),  t(0) = 0
/// w = ± t(c) · 2⁻¹⁵ · s                              (sign, c) nearest to x, c ≤ 127
/// ```
///
/// Between the largest weight and its half there is no code, so a quarter of what is near them is
/// lost: measured, not recommended.
///
/// Stored as `c`, plus 128 where the weight is negative.
record QinsInverseCode(CodeTable table) implements TableCode {

    static final QinsInverseCode CODE =
            new QinsInverseCode(CodeTable.ofMagnitudes(128, c -> c == 0 ? 0 : 1.0 / c));

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
        return "w = sign * rint(32767/c) * 2^-15 * s, 0 for c = 0; s = F16(max |w| * 32768/32767)";
    }
}
