package dev.tokenlog.engine.format.gguf;

/// Floats as "blocks" of one element, little-endian.
final class FloatBlocks {

    private FloatBlocks() {}

    static void f32(byte[] block, int at, float[] x, int to) {
        x[to] = Float.intBitsToFloat(bits16(block, at) | bits16(block, at + 2) << 16);
    }

    static void f16(byte[] block, int at, float[] x, int to) {
        x[to] = half(block, at);
    }

    static void bf16(byte[] block, int at, float[] x, int to) {
        x[to] = Float.intBitsToFloat(bits16(block, at) << 16);
    }

    /// An F16 number, widened.
    static float half(byte[] block, int at) {
        return Float.float16ToFloat((short) bits16(block, at));
    }

    private static int bits16(byte[] block, int at) {
        return block[at] & 0xff | (block[at + 1] & 0xff) << 8;
    }
}
