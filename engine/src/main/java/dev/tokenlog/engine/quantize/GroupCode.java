package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Arrays;

/// A number code whose groups of columns share an F16 scale: finds scale and codes of one group,
/// and turns a stored code back into its integer.
///
/// Arithmetic is binary32, each operation rounded once; codes are found with the scale as it is
/// stored. Scales are F16 bits.
public sealed interface GroupCode permits Int8Code, Int4Code {

    /// The scale of `x[from, to)` by the element of largest magnitude.
    ///
    /// @return F16 bits; infinite where F16 cannot hold it
    short scale(float[] x, int from, int to);

    /// The smallest and the largest integer.
    int smallest();

    int largest();

    /// `q = clamp(rint(x / s), smallest, largest)` for `x[from, to)`, to the same places of `q`;
    /// all 0 where `s` is 0.
    default void encode(float[] x, int from, int to, short scale, byte[] q) {
        float s = Float.float16ToFloat(scale);
        if (s == 0) {
            Arrays.fill(q, from, to, (byte) 0);
            return;
        }
        for (int i = from; i < to; i++) {
            q[i] = (byte) Math.clamp((long) Math.rint(x[i] / s), smallest(), largest());
        }
    }

    /// Bytes that a row of this many columns takes.
    int bytesPerRow(int columns);

    /// Stores `columns` integers of `q` from `packed[at]` on.
    void pack(byte[] q, int columns, byte[] packed, int at);

    /// The inverse of [#pack].
    void unpack(byte[] packed, int at, int columns, byte[] q);

    /// How a value comes out of a stored code and how that was found, for people.
    String formula(Scales scales);

    static GroupCode of(NumberCode code) {
        return switch (code) {
            case INT8 -> new Int8Code();
            case INT4 -> new Int4Code();
        };
    }
}
