package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;
import java.util.List;
import java.util.stream.IntStream;

/// A number code whose groups of columns share an F16 scale, and a zero point where the code has
/// one: finds scale, zero point and codes of one group, and says what a code is worth.
///
/// Every weight is `operand(code, zero) · unit() · s`: an integer, which is what kernels multiply,
/// times the scale. `unit` is a power of two, so that `unit() · s` rounds nothing.
///
/// Arithmetic is binary32, each operation rounded once; codes are found with the scale as it is
/// stored. Scales are F16 bits. There is no division at run time: a code that is no integer has a
/// table of its operands.
public sealed interface GroupCode
        permits Int8Code, SignedCode, UnsignedCode, SignCode, TernaryCode, TableCode {

    /// Where there is no code.
    int NO_CODE = Integer.MIN_VALUE;

    /// Bits that [#pack] stores of a code, where it stores whole bits.
    int bits();

    /// The scale of `x[from, to)` by the element of largest magnitude, or the one that the code
    /// says it has.
    ///
    /// @return F16 bits; infinite where F16 cannot hold it
    short scale(float[] x, int from, int to);

    /// The zero point of `x[from, to)` beside that scale; 0 for codes that have none.
    default int zeroPoint(float[] x, int from, int to, short scale) {
        return 0;
    }

    /// The smallest and the largest code.
    int smallest();

    int largest();

    /// The codes nearest to `x[from, to)` under a scale and a zero point, to the same places of
    /// `q`. Where the scale is 0, the codes are such that all is 0 whatever they stand for.
    void encode(float[] x, int from, int to, short scale, int zero, short[] q);

    /// The integer that a code stands for: at most 255 in magnitude where `unit` is 1, at most
    /// 32,767 otherwise.
    default int operand(int code, int zero) {
        return code - zero;
    }

    /// The code that stands for the next larger weight, where the scale is positive, or for the
    /// next smaller one.
    ///
    /// @param by 1 or -1
    /// @return [#NO_CODE] where there is none
    default int neighbour(int code, int by) {
        int next = code + by;
        return next >= smallest() && next <= largest() ? next : NO_CODE;
    }

    /// Whether every weight is `(q − z) · s`, which is all that formats of integers can say. Of a
    /// table each entry counts: it may begin as the integers do.
    default boolean isInteger() {
        return unit() == 1
                && IntStream.rangeClosed(smallest(), largest()).allMatch(q -> operand(q, 0) == q);
    }

    /// Whether there is a code for a weight of 0.
    default boolean hasZero() {
        return IntStream.rangeClosed(smallest(), largest()).anyMatch(q -> operand(q, 0) == 0);
    }

    /// What an operand counts in: 1, or 2⁻¹⁵ for tables of fractions.
    default float unit() {
        return 1f;
    }

    /// The ways to find a scale that the code knows. With both, [#scale] is where the search for
    /// the least squared error begins.
    default List<Scales> scales() {
        return List.of(Scales.ABSMAX, Scales.LEAST_SQUARES);
    }

    /// Stores `columns` codes of `q` from `packed[at]` on.
    void pack(short[] q, int columns, byte[] packed, int at);

    /// The inverse of [#pack].
    void unpack(byte[] packed, int at, int columns, short[] q);

    /// How a value comes out of a stored code and how that was found, for people.
    String formula(Scales scales);

    static GroupCode of(NumberCode code) {
        return switch (code) {
            case INT8 -> Int8Code.CODE;
            case INT4 -> SignedCode.OF_4_BITS;
            case INT2 -> SignedCode.OF_2_BITS;
            case UINT8 -> UnsignedCode.OF_8_BITS;
            case UINT4 -> UnsignedCode.OF_4_BITS;
            case UINT2 -> UnsignedCode.OF_2_BITS;
            case INT1 -> SignCode.CODE;
            case TERNARY -> TernaryCode.CODE;
            case QINS8_LOG -> QinsLogCode.WITH_SIGN_INSIDE;
            case QINS9_LOG -> QinsLogCode.WITH_SIGN_PLANE;
            case QINS8_INV -> QinsInverseCode.CODE;
            case QINS8_PROJ -> QinsProjectiveCode.CODE;
            case QINS4 -> Qins4Code.CODE;
            case FP4 -> Fp4Code.CODE;
        };
    }
}
