package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;

/// A number code whose groups of columns share an F16 scale: finds scale and codes of one group,
/// and turns a stored code back into its integer.
///
/// Arithmetic is binary32, each operation rounded once; codes are found with the scale as it is
/// stored. Scales are F16 bits.
public sealed interface GroupCode permits Int8Code, Int4Code {

    /// Quantizes `x[from, to)`; integers go to the same places of `q`.
    ///
    /// @return the scale's F16 bits; infinite where F16 cannot hold it, and then the codes mean
    ///   nothing
    short quantize(float[] x, int from, int to, byte[] q);

    /// Bytes that a row of this many columns takes.
    int bytesPerRow(int columns);

    /// Stores `columns` integers of `q` from `packed[at]` on.
    void pack(byte[] q, int columns, byte[] packed, int at);

    /// The inverse of [#pack].
    void unpack(byte[] packed, int at, int columns, byte[] q);

    /// How a value comes out of a stored code, for people.
    String formula();

    static GroupCode of(NumberCode code) {
        return switch (code) {
            case INT8 -> new Int8Code();
            case INT4 -> new Int4Code();
        };
    }
}
