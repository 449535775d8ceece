package dev.tokenlog.engine.tensor;

/// The number codes that a weight can be stored in, under the names that recipes, manifests and
/// events use.
public enum NumberCode {
    INT8("int8", 8),
    INT4("int4", 4);

    private final String label;
    private final int bits;

    NumberCode(String label, int bits) {
        this.label = label;
        this.bits = bits;
    }

    public String label() {
        return label;
    }

    /// Bits of a stored code, scales not counted.
    public int bits() {
        return bits;
    }
}
