package dev.tokenlog.engine.quantize;

/// Codes of 1, 2, 4 or 8 bits side by side in bytes: the first column in the lowest bits, unused
/// bits of a row's last byte 0.
final class Packing {

    private Packing() {}

    /// @param offset is added to a code, which must not be negative then
    static void pack(int bits, int offset, short[] q, int columns, byte[] packed, int at) {
        int perByte = 8 / bits;
        if (bits == 4) {
            packPairs(offset, q, columns, packed, at);
            return;
        }
        for (int from = 0; from < columns; from += perByte) {
            int one = 0;
            int count = Math.min(perByte, columns - from);
            for (int i = 0; i < count; i++) {
                one |= q[from + i] + offset << i * bits;
            }
            packed[at + from / perByte] = (byte) one;
        }
    }

    private static void packPairs(int offset, short[] q, int columns, byte[] packed, int at) {
        int pairs = columns / 2;
        for (int pair = 0; pair < pairs; pair++) {
            packed[at + pair] = (byte) (q[2 * pair] + offset | q[2 * pair + 1] + offset << 4);
        }
        if (columns % 2 == 1) {
            packed[at + pairs] = (byte) (q[columns - 1] + offset);
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
