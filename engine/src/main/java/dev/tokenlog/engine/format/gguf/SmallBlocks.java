package dev.tokenlog.engine.format.gguf;

import static dev.tokenlog.engine.format.gguf.FloatBlocks.half;

/// Blocks of 32 elements with a scale `d` and, in the `_1` types, an offset `m`, both F16:
///
/// ```
/// Q4_0   d, 16 bytes                x = d · (q − 8)      q of 4 bits
/// Q4_1   d, m, 16 bytes             x = d · q + m
/// Q5_0   d, 4 bytes h, 16 bytes     x = d · (q − 16)     q of 5 bits: bit i of h is the fifth of q_i
/// Q5_1   d, m, 4 bytes h, 16 bytes  x = d · q + m
/// Q8_0   d, 32 bytes                x = d · q            q a signed byte
/// ```
///
/// Byte `i` of the 16 holds element `i` in its low four bits and element `i + 16` in its high ones.
/// (ggml, `ggml-quants.c`: `dequantize_row_q4_0` and its neighbours.)
final class SmallBlocks {

    private static final int HALF = 16;

    private SmallBlocks() {}

    static void q4x0(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        for (int i = 0; i < HALF; i++) {
            int pair = block[at + 2 + i] & 0xff;
            x[to + i] = d * ((pair & 0xf) - 8);
            x[to + i + HALF] = d * ((pair >>> 4) - 8);
        }
    }

    static void q4x1(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        float m = half(block, at + 2);
        for (int i = 0; i < HALF; i++) {
            int pair = block[at + 4 + i] & 0xff;
            x[to + i] = d * (pair & 0xf) + m;
            x[to + i + HALF] = d * (pair >>> 4) + m;
        }
    }

    static void q5x0(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        for (int i = 0; i < HALF; i++) {
            int pair = block[at + 6 + i] & 0xff;
            x[to + i] = d * ((pair & 0xf | fifth(block, at + 2, i)) - 16);
            x[to + i + HALF] = d * ((pair >>> 4 | fifth(block, at + 2, i + HALF)) - 16);
        }
    }

    static void q5x1(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        float m = half(block, at + 2);
        for (int i = 0; i < HALF; i++) {
            int pair = block[at + 8 + i] & 0xff;
            x[to + i] = d * (pair & 0xf | fifth(block, at + 4, i)) + m;
            x[to + i + HALF] = d * (pair >>> 4 | fifth(block, at + 4, i + HALF)) + m;
        }
    }

    static void q8x0(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        for (int i = 0; i < 2 * HALF; i++) {
            x[to + i] = d * block[at + 2 + i];
        }
    }

    /// The fifth bit of element `i`, in its place.
    static int fifth(byte[] block, int bits, int i) {
        return (block[bits + i / 8] >>> i % 8 & 1) << 4;
    }
}
