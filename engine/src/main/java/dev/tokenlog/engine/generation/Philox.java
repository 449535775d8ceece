package dev.tokenlog.engine.generation;

/// Philox 4×32-10, a counter-based random number generator: a number is a function of seed and
/// place, so a generation needs no state and survives any crash.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011), and
/// its reference implementation Random123.
final class Philox {

    private static final int ROUNDS = 10;
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;

    private Philox() {}

    /// A number in [0, 1) for a token: the 53 high bits of `word 0 · 2³² + word 1` of the block
    /// with counter `(token, choice, 0, 0)` and the seed as key, low word first.
    ///
    /// @param token index of the token in its completion
    /// @param choice which of several completions of one prompt
    static double uniform(long seed, int token, int choice) {
        return (words01(token, choice, 0, 0, (int) seed, (int) (seed >>> 32)) >>> 11) * 0x1p-53;
    }

    private static long words01(int c0, int c1, int c2, int c3, int k0, int k1) {
        int[] block = {c0, c1, c2, c3};
        encrypt(block, k0, k1);
        return (long) block[0] << 32 | block[1] & 0xffffffffL;
    }

    /// Turns a counter of four words into four random words.
    static void encrypt(int[] block, int key0, int key1) {
        int k0 = key0;
        int k1 = key1;
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = MULTIPLIER_0 * (block[0] & 0xffffffffL);
            long product1 = MULTIPLIER_1 * (block[2] & 0xffffffffL);
            block[0] = (int) (product1 >>> 32) ^ block[1] ^ k0;
            block[1] = (int) product1;
            block[2] = (int) (product0 >>> 32) ^ block[3] ^ k1;
            block[3] = (int) product0;
            k0 += WEYL_0;
            k1 += WEYL_1;
        }
    }
}
