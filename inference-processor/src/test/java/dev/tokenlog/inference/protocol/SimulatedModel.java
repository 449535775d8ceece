package dev.tokenlog.inference.protocol;

import java.util.Arrays;

/// A model whose every token depends on the arithmetic, the seed and all tokens before it: a token
/// computed from another prefix than the delivered one cannot go unnoticed.
public final class SimulatedModel {

    private SimulatedModel() {}

    public static int next(String numericsId, long seed, int[] prefix, int count) {
        int hash = 31 * numericsId.hashCode() + Long.hashCode(seed);
        hash = 31 * hash + Arrays.hashCode(Arrays.copyOf(prefix, count));
        hash ^= hash >>> 15;
        return (hash * 0x2c1b3c6d >>> 8) % 1000;
    }

    /// Whether this token ends the text.
    public static boolean isEnd(int token) {
        return token % 13 == 0;
    }
}
