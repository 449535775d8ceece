package dev.tokenlog.engine.compute;

/// Names of the rules in `docs/numerics.md`. Changing a rule that changes a bit means a new name.
public final class Numerics {

    /// The first half of the ids of quantized models on the CPU.
    private static final String QUANTIZED = "cpu-2/";

    /// Likewise of unquantized weights, the FP32 baseline.
    private static final String FLOAT = "float-1/";

    private Numerics() {}

    /// The numerics id of an artifact's arithmetic, for instance `cpu-2/kv16`.
    public static String quantized(KvType kv) {
        return QUANTIZED + kv.label();
    }

    /// The numerics id of float arithmetic, for instance `float-1/kv32`.
    public static String unquantized(KvType kv) {
        return FLOAT + kv.label();
    }
}
