package dev.tokenlog.engine.compute;

/// How keys and values are kept: the second half of a numerics id.
public enum KvType {
    /// IEEE binary16, rounded to nearest even when stored and widened when read.
    KV16("kv16", 2),
    /// IEEE binary32, as computed.
    KV32("kv32", 4);

    private final String label;
    private final int bytes;

    KvType(String label, int bytes) {
        this.label = label;
        this.bytes = bytes;
    }

    /// The name in numerics ids.
    public String label() {
        return label;
    }

    /// Bytes of one element.
    public int bytes() {
        return bytes;
    }
}
