package dev.tokenlog.engine.quantize;

/// Codes of 1, 2, 4 or 8 bits side by side in bytes: the first column in the lowest bits, unused
/// bits of a row's last byte 0.
final class Packing {

    private Packing() {}

    /// @param offset is added to a code, which must not be negative then
    static void pack(int bits, int offset, short[] q, int columns, byte[] packed, int at) {
        int perByte = 8 / bits;
        for (int from = 0; from < columns; from += perByte) {
            int one = 0;
            int count = Math.min(perByte, columns - from);
            for (int i = 0; i < count; i++) {
                one |= q[from + i] + offset << i * bits;
            }
            packed[at + from / perByte] = (byte) one;
        }
    }

    static void unpack(int bits, int offset, byte[] packed, int at, int columns, short[] q) {
        int perByte = 8 / bits;
        int mask = (1 << bits) - 1;
        for (int column = 0; column < columns; column++) {
            int one = packed[at + column / perByte] & 0xff;
            q[column] = (short) ((one >> column % perByte * bits & mask) - offset);
        }
    }
}
