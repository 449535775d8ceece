package dev.tokenlog.engine.format.gguf;

import static dev.tokenlog.engine.format.gguf.FloatBlocks.half;

/// Blocks of 256 elements, cut into groups with small integer scales `s` (and minima `m`), which
/// F16 numbers `d` (and `dmin`) scale in turn:
///
/// ```
/// Q2_K   16 bytes (s low, m high 4 bits), 64 bytes q, d, dmin    16 groups of 16
///        x = (d · s) · q − dmin · m                              q of 2 bits
/// Q3_K   32 bytes h, 64 bytes q, 12 bytes of scales, d           16 groups of 16
///        x = (d · (s − 32)) · (q − 4·(1 − h))                    q of 2 bits, s of 6
/// Q4_K   d, dmin, 12 bytes of scales and minima, 128 bytes q     8 groups of 32
///        x = (d · s) · q − dmin · m                              q of 4 bits, s and m of 6
/// Q5_K   d, dmin, 12 bytes, 32 bytes h, 128 bytes q              8 groups of 32
///        x = (d · s) · q − dmin · m                              q of 5 bits, the fifth from h
/// Q6_K   128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed bytes s, d
///        x = (d · s) · (q − 32)                                  16 groups of 16, q of 6 bits
/// ```
///
/// (ggml, `ggml-quants.c`: `dequantize_row_q2_K` and its neighbours.)
final class SuperBlocks {

    private static final int ELEMENTS = 256;

    private SuperBlocks() {}

    /// Element `128·n + 32·j + l` has bits `2j` and `2j + 1` of byte `32·n + l`.
    private static int twoBits(byte[] block, int bytes, int element) {
        int place = bytes + element / 128 * 32 + element % 32;
        return block[place] >>> element % 128 / 32 * 2 & 3;
    }

    static void q2k(byte[] block, int at, float[] x, int to) {
        float d = half(block, at + 80);
        float dmin = half(block, at + 82);
        for (int group = 0; group < 16; group++) {
            int scale = block[at + group] & 0xff;
            float s = d * (scale & 0xf);
            float m = dmin * (scale >>> 4);
            for (int i = group * 16; i < group * 16 + 16; i++) {
                x[to + i] = s * twoBits(block, at + 16, i) - m;
            }
        }
    }

    /// Bit `e / 32` of byte `e mod 32` of h belongs to element `e`.
    static void q3k(byte[] block, int at, float[] x, int to) {
        float d = half(block, at + 108);
        for (int group = 0; group < 16; group++) {
            float s = d * (scaleOfQ3K(block, at + 96, group) - 32);
            for (int i = group * 16; i < group * 16 + 16; i++) {
                int high = block[at + i % 32] >>> i / 32 & 1;
                x[to + i] = s * (twoBits(block, at + 32, i) - 4 * (1 - high));
            }
        }
    }

    /// The low four bits of scale `k` lie in byte `k mod 8` (low half for k below 8), the high two
    /// in byte `8 + k mod 4` at bit `2·(k / 4)`.
    private static int scaleOfQ3K(byte[] block, int at, int k) {
        int low = block[at + k % 8] >>> (k < 8 ? 0 : 4) & 0xf;
        int high = block[at + 8 + k % 4] >>> k / 4 * 2 & 3;
        return low | high << 4;
    }

    /// Six bits of scale `k` of Q4_K and Q5_K: for k below 4 in byte `k`; else four low bits in
    /// byte `k + 4` and two high ones on top of byte `k − 4`.
    private static int scale(byte[] block, int at, int k) {
        return k < 4
                ? block[at + k] & 0x3f
                : block[at + k + 4] & 0xf | (block[at + k - 4] & 0xff) >>> 6 << 4;
    }

    /// The minimum beside it: for k below 4 in byte `k + 4`; else the high half of byte `k + 4`,
    /// and on top of byte `k`.
    private static int minimum(byte[] block, int at, int k) {
        return k < 4
                ? block[at + k + 4] & 0x3f
                : (block[at + k + 4] & 0xff) >>> 4 | (block[at + k] & 0xff) >>> 6 << 4;
    }

    /// Element `64·n + l` is the low half of byte `32·n + l`, element `64·n + 32 + l` the high one.
    private static int fourBits(byte[] block, int bytes, int element) {
        int place = bytes + element / 64 * 32 + element % 32;
        return block[place] >>> element % 64 / 32 * 4 & 0xf;
    }

    static void q4k(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        float dmin = half(block, at + 2);
        for (int group = 0; group < 8; group++) {
            float s = d * scale(block, at + 4, group);
            float m = dmin * minimum(block, at + 4, group);
            for (int i = group * 32; i < group * 32 + 32; i++) {
                x[to + i] = s * fourBits(block, at + 16, i) - m;
            }
        }
    }

    /// Bit `e / 32` of byte `e mod 32` of h is the fifth of element `e`.
    static void q5k(byte[] block, int at, float[] x, int to) {
        float d = half(block, at);
        float dmin = half(block, at + 2);
        for (int group = 0; group < 8; group++) {
            float s = d * scale(block, at + 4, group);
            float m = dmin * minimum(block, at + 4, group);
            for (int i = group * 32; i < group * 32 + 32; i++) {
                int fifth = (block[at + 16 + i % 32] >>> group & 1) << 4;
                x[to + i] = s * (fourBits(block, at + 48, i) | fifth) - m;
            }
        }
    }

    /// Of 128 elements, the first 64 are the low halves of 64 bytes and the last 64 the high ones;
    /// the high bits lie as the codes of Q2_K do.
    static void q6k(byte[] block, int at, float[] x, int to) {
        float d = half(block, at + 208);
        for (int i = 0; i < ELEMENTS; i++) {
            float s = d * block[at + 192 + i / 16];
            int low = block[at + i / 128 * 64 + i % 64] >>> i % 128 / 64 * 4 & 0xf;
            int high = twoBits(block, at + 128, i) << 4;
            x[to + i] = s * ((low | high) - 32);
        }
    }
}
