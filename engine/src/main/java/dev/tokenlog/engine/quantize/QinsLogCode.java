package dev.tokenlog.engine.quantize;

/// `qins8-log` and `qins9-log`, inverse magnitude, logarithmic: the larger the code, the smaller
/// the weight, always by the same factor. `n = 128` magnitudes down to 1/64 with the sign inside
/// the byte (7 + 1), or `n = 256` down to 1/128 with a plane of signs behind the bytes (8 + 1):
///
/// ```
/// s = F16(amax · 32768 / 32767)
/// t(c) = rint(32767 · exp(−ln R · c / (n − 1)))      R = 64 or 128
/// w = ± t(c) · 2⁻¹⁵ · s                              (sign, c) nearest to x
/// ```
///
/// There is no zero: what is smaller than `amax / R` becomes about that. The ranges are those with
/// the least squared error for Gaussian weights in groups of 32, to the nearest power of two.
///
/// Stored: 7 + 1 as `c`, plus 128 where the weight is negative; 8 + 1 as a byte `c` for each column
/// of a row, then a bit for each, 1 where the weight is negative, column `c` in bit `c mod 8`.
///
/// @param bits 8 or 9
record QinsLogCode(int bits, double range, CodeTable table) implements TableCode {

    static final QinsLogCode WITH_SIGN_INSIDE = of(8, 64);
    static final QinsLogCode WITH_SIGN_PLANE = of(9, 128);

    private static QinsLogCode of(int bits, double range) {
        int count = 1 << bits - 1;
        return new QinsLogCode(
                bits,
                range,
                CodeTable.ofMagnitudes(
                        count, c -> StrictMath.exp(-StrictMath.log(range) * c / (count - 1))));
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
    public void pack(short[] q, int columns, byte[] packed, int at) {
        if (bits == 8) {
            TableCode.super.pack(q, columns, packed, at);
            return;
        }
        short[] signs = new short[columns];
        for (int column = 0; column < columns; column++) {
            packed[at + column] = (byte) q[column];
            signs[column] = (short) (q[column] >> 8);
        }
        Packing.pack(1, 0, signs, columns, packed, at + columns);
    }

    @Override
    public void unpack(byte[] packed, int at, int columns, short[] q) {
        if (bits == 8) {
            TableCode.super.unpack(packed, at, columns, q);
            return;
        }
        Packing.unpack(1, 0, packed, at + columns, columns, q);
        for (int column = 0; column < columns; column++) {
            q[column] = (short) (q[column] << 8 | packed[at + column] & 0xff);
        }
    }

    @Override
    public String formula(Scales scales) {
        return "w = sign * rint(32767 * exp(-ln(%d) * c/%d)) * 2^-15 * s; s = F16(max |w| * 32768/32767)"
                .formatted((int) range, table.size() / 2 - 1);
    }
}
