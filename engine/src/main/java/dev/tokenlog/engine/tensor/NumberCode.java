package dev.tokenlog.engine.tensor;

import java.util.Arrays;
import java.util.Optional;

/// The number codes that a weight can be stored in, under the names that recipes, manifests and
/// events use. What each of them means stands above its class in `quantize`.
public enum NumberCode {
    INT8("int8", 8),
    INT4("int4", 4),
    INT2("int2", 2),
    UINT8("uint8", 8),
    UINT4("uint4", 4),
    UINT2("uint2", 2),
    INT1("int1", 1),
    TERNARY("ternary", 2),
    QINS8_LOG("qins8-log", 8),
    QINS9_LOG("qins9-log", 9),
    QINS8_INV("qins8-inv", 8),
    QINS8_PROJ("qins8-proj", 8),
    QINS4("qins4", 4),
    FP4("fp4", 4);

    private static final int TERNARY_PER_BYTE = 5;

    private final String label;
    private final int bits;

    NumberCode(String label, int bits) {
        this.label = label;
        this.bits = bits;
    }

    /// The code of a name.
    public static Optional<NumberCode> of(String label) {
        return Arrays.stream(values()).filter(code -> code.label.equals(label)).findFirst();
    }

    public String label() {
        return label;
    }

    /// Bits of a code, scales not counted: 2 for `ternary`, of which a byte holds five all the
    /// same.
    public int bits() {
        return bits;
    }

    /// Whether each group has a zero point beside its scale.
    public boolean hasZeroPoints() {
        return this == UINT8 || this == UINT4 || this == UINT2;
    }

    /// Bytes that a stored row takes: codes really packed, rows on whole bytes. Of `qins9-log`: a
    /// byte for each column, then a bit for each.
    public long bytesPerRow(int columns) {
        return switch (this) {
            case TERNARY -> Math.ceilDiv(columns, TERNARY_PER_BYTE);
            case QINS9_LOG -> (long) columns + Math.ceilDiv(columns, 8);
            default -> Math.ceilDiv((long) columns * bits, 8);
        };
    }
}
