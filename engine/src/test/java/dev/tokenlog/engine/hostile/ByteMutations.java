package dev.tokenlog.engine.hostile;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.random.RandomGenerator;

/// Spoils bytes without knowing what they mean.
final class ByteMutations {

    private static final long[] BOUNDARIES = {
        0,
        1,
        -1,
        2,
        127,
        128,
        255,
        256,
        Short.MAX_VALUE,
        1 << 16,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        1L << 32,
        1L << 60,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        Long.MAX_VALUE - 7,
        100_000_000,
        Double.doubleToRawLongBits(Double.NaN)
    };

    private ByteMutations() {}

    static byte[] mutate(byte[] bytes, RandomGenerator random) {
        return mutate(bytes, 256, random);
    }

    /// @param front where most harm is done
    static byte[] mutate(byte[] bytes, int front, RandomGenerator random) {
        byte[] mutated = bytes.clone();
        for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
            mutated = once(mutated, front, random);
        }
        return mutated;
    }

    private static byte[] once(byte[] bytes, int front, RandomGenerator random) {
        if (bytes.length == 0) {
            return new byte[] {(byte) random.nextInt()};
        }
        boolean inFront = random.nextInt(4) != 0;
        int at = random.nextInt(inFront ? Math.min(bytes.length, front) : bytes.length);
        return switch (random.nextInt(8)) {
            case 0 -> flipped(bytes, at, random);
            case 1 -> put(bytes, at, new byte[] {(byte) random.nextInt()});
            case 2 -> put(bytes, at, number(random));
            case 3 -> joined(bytes, 0, at, bytes, bytes.length, bytes.length);
            case 4 -> extended(bytes, random);
            case 5 -> {
                int end = Math.min(bytes.length, at + 1 + random.nextInt(64));
                yield joined(bytes, 0, end, bytes, at, bytes.length); // a piece twice
            }
            case 6 -> {
                int end = Math.min(bytes.length, at + 1 + random.nextInt(64));
                yield joined(bytes, 0, at, bytes, end, bytes.length); // a piece missing
            }
            default -> {
                int from = random.nextInt(bytes.length);
                int length = Math.min(bytes.length - from, 1 + random.nextInt(64));
                byte[] piece = new byte[length];
                System.arraycopy(bytes, from, piece, 0, length);
                yield put(bytes, at, piece);
            }
        };
    }

    private static byte[] flipped(byte[] bytes, int at, RandomGenerator random) {
        byte[] flipped = bytes.clone();
        flipped[at] ^= (byte) (1 << random.nextInt(8));
        return flipped;
    }

    private static byte[] put(byte[] bytes, int at, byte[] piece) {
        byte[] changed = bytes.clone();
        System.arraycopy(piece, 0, changed, at, Math.min(piece.length, bytes.length - at));
        return changed;
    }

    /// In 1, 2, 4 or 8 bytes.
    private static byte[] number(RandomGenerator random) {
        long value = BOUNDARIES[random.nextInt(BOUNDARIES.length)];
        byte[] eight = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
        byte[] number = new byte[1 << random.nextInt(4)];
        System.arraycopy(eight, 0, number, 0, number.length);
        return number;
    }

    private static byte[] extended(byte[] bytes, RandomGenerator random) {
        byte[] tail = new byte[1 + random.nextInt(64)];
        if (random.nextBoolean()) {
            random.nextBytes(tail);
        }
        return joined(bytes, 0, bytes.length, tail, 0, tail.length);
    }

    private static byte[] joined(byte[] a, int fromA, int toA, byte[] b, int fromB, int toB) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(a, fromA, toA - fromA);
        out.write(b, fromB, toB - fromB);
        return out.toByteArray();
    }
}
