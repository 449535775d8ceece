package dev.tokenlog.engine.quantize;

/// `qins4`, inverse magnitude, a fitted table of 16: the larger the code, the smaller the weight.
///
/// ```
/// s = F16(m / 127)               m the element of largest magnitude, the first of equals
/// w = t(q) · s                   q nearest to x
/// t = 127 −110 99 −85 77 −66 59 −50 44 −36 31 −23 19 −12 8 −2
/// ```
///
/// The table has the least squared error (Lloyd's iteration, the first entry held, rounded to
/// integers) for groups of 32 of which one half is Gaussian and one half Laplace. It is the same
/// for every tensor, so that it need not be stored. Signs alternate: where the extreme is, one more
/// step is to be had on the other side.
///
/// Stored two to a byte, the first column in the low four bits.
record Qins4Code(CodeTable table) implements TableCode {

    static final Qins4Code CODE =
            new Qins4Code(
                    new CodeTable(
                            127, -110, 99, -85, 77, -66, 59, -50, 44, -36, 31, -23, 19, -12, 8,
                            -2));

    @Override
    public int bits() {
        return 4;
    }

    @Override
    public short scale(float[] x, int from, int to) {
        return Float.floatToFloat16(Extremes.extreme(x, from, to) / table.operand(0));
    }

    @Override
    public String formula(Scales scales) {
        StringBuilder entries = new StringBuilder();
        for (int code = 0; code < table.size(); code++) {
            entries.append(code == 0 ? "" : " ").append(table.operand(code));
        }
        return "w = t[q] * s; s = F16(m/127), m the element of largest magnitude; t = " + entries;
    }
}
