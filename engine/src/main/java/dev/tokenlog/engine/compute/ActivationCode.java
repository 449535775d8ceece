package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.NumberCode;

/// How activations are rounded before they meet quantized weights: to integers up to a largest
/// magnitude, a scale for every block of 32 columns.
///
/// `qins4` and `fp4` have operands of 8 and of 5 bits, and so belong to these; operands of 16 bits
/// are added up in 32, `32 · 32,767 · 2047 < 2³¹`.
///
/// Activations should not be coarser than the weights that they meet. Beside 4-bit weights 8 bits
/// add little. Beside 8-bit weights, 8-bit activations are what most of the loss comes from: so
/// these meet 12 bits, the most for which a block's sum is exact in binary32 as well (`32 · 255 ·
/// 2047 < 2²⁴`), which lets a kernel add up in whatever type is fastest.
public enum ActivationCode {
    BITS_8(127),
    BITS_12(2047);

    private final int largest;

    ActivationCode(int largest) {
        this.largest = largest;
    }

    /// What weights of this code are multiplied by.
    public static ActivationCode beside(NumberCode weights) {
        return switch (weights) {
            case INT4, INT2, UINT4, UINT2, INT1, TERNARY -> BITS_8;
            case INT8, UINT8, QINS8_LOG, QINS9_LOG, QINS8_INV, QINS8_PROJ, QINS4, FP4 -> BITS_12;
        };
    }

    /// The largest magnitude of a code.
    public int largest() {
        return largest;
    }
}
