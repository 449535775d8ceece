package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Arrays;

/// How keys and values are kept: the second half of a numerics id.
public enum KvType {
    /// Signed integers of 8 bits with a scale for each block of [#BLOCK] channels of a head at a
    /// position, quantized as activations are; code times scale when read.
    KV8("kv8", 1),
    /// IEEE binary16, rounded to nearest even when stored and widened when read.
    KV16("kv16", 2),
    /// IEEE binary32, as computed.
    KV32("kv32", 4);

    /// The key of the setting.
    public static final String KEY = "tokenlog.kv.type";

    /// Channels that share a scale in [#KV8]; the last block of a head may be shorter.
    public static final int BLOCK = 32;

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

    /// Bytes of one element, without its share of a scale.
    public int bytes() {
        return bytes;
    }

    /// Blocks of a head that have a scale each.
    public int blocks(int headSize) {
        return this == KV8 ? Math.ceilDiv(headSize, BLOCK) : 0;
    }

    /// The type of this name.
    ///
    /// @throws EngineException if there is none
    public static KvType of(String label) {
        return Arrays.stream(values())
                .filter(type -> type.label.equals(label))
                .findFirst()
                .orElseThrow(() ->
                        new EngineException(
                                Reason.PARAMETER_OUT_OF_RANGE,
                                "%s is '%s', expected kv8, kv16 or kv32".formatted(KEY, label)));
    }
}
