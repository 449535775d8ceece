package dev.tokenlog.engine.artifact;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/// SHA-256 (FIPS 180-4) over blocks that [Sha256Blocks] takes: padding and what is left over of a
/// block. For gigabytes; loading the library takes longer than Java needs for a few.
final class Sha256 extends MessageDigest {

    private static final int BLOCK = Sha256Blocks.BLOCK;
    private static final int DIGEST = 32;

    /// Of one call: some 35 µs, which a garbage collection waits.
    private static final int MOST = 1 << 16;

    /// Where Java, which needs no library, is done sooner.
    private static final long LARGE = 1 << 20;

    /// The first 32 bits of the fractional parts of the square roots of the first eight primes.
    private static final int[] INITIAL = {
        0x6a09e667,
        0xbb67ae85,
        0x3c6ef372,
        0xa54ff53a,
        0x510e527f,
        0x9b05688c,
        0x1f83d9ab,
        0x5be0cd19
    };

    /// Loaded when there is something large.
    private static final class Found {

        static final Optional<Sha256Blocks> BLOCKS = find();

        private Found() {}

        /// Anything that is wrong with one is no reason to do without digests: there is Java.
        private static Optional<Sha256Blocks> find() {
            try {
                Iterator<Sha256Blocks> all =
                        ServiceLoader.load(Sha256Blocks.class, Sha256Blocks.class.getClassLoader())
                                .iterator();
                while (all.hasNext()) {
                    Sha256Blocks blocks = all.next();
                    if (isRight(blocks)) {
                        return Optional.of(blocks);
                    }
                }
            } catch (ServiceConfigurationError | RuntimeException | LinkageError unusable) {
                return Optional.empty();
            }
            return Optional.empty();
        }
    }

    private final Sha256Blocks blocks;
    private final int[] state = INITIAL.clone();
    private final byte[] rest = new byte[BLOCK];
    private int restLength;
    private long length;

    Sha256(Sha256Blocks blocks) {
        super("SHA-256");
        this.blocks = blocks;
    }

    /// The fastest there is for so many bytes.
    static MessageDigest of(long bytes) {
        return bytes < LARGE
                ? java()
                : Found.BLOCKS.<MessageDigest>map(Sha256::new).orElseGet(Sha256::java);
    }

    static MessageDigest java() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /// Whether digests come out as Java's: of one to ten blocks, whole or not, in one piece or in
    /// several.
    static boolean isRight(Sha256Blocks blocks) {
        try {
            if (!blocks.usable()) {
                return false;
            }
            byte[] message = new byte[10 * BLOCK];
            for (int i = 0; i < message.length; i++) {
                message[i] = (byte) (i * 37 ^ i >> 3);
            }
            for (int size : List.of(0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 300, 640)) {
                byte[] right = java().digest(Arrays.copyOf(message, size));
                MessageDigest whole = new Sha256(blocks);
                whole.update(message, 0, size);
                MessageDigest pieces = new Sha256(blocks);
                pieces.update(message, 0, size / 3);
                pieces.update(message, size / 3, size - size / 3);
                if (!Arrays.equals(right, whole.digest())
                        || !Arrays.equals(right, pieces.digest())) {
                    return false;
                }
            }
            return true;
        } catch (RuntimeException | LinkageError unusable) {
            return false;
        }
    }

    @Override
    protected int engineGetDigestLength() {
        return DIGEST;
    }

    @Override
    protected void engineUpdate(byte input) {
        engineUpdate(new byte[] {input}, 0, 1);
    }

    @Override
    protected void engineUpdate(byte[] input, int offset, int count) {
        update(MemorySegment.ofArray(input).asSlice(offset, count));
    }

    @Override
    protected void engineUpdate(ByteBuffer input) {
        update(MemorySegment.ofBuffer(input));
        input.position(input.limit());
    }

    private void update(MemorySegment input) {
        long count = input.byteSize();
        long at = 0;
        length += count;
        if (restLength > 0) {
            at = Math.min(BLOCK - restLength, count);
            keep(input, 0, (int) at);
            if (restLength == BLOCK) {
                blocks.compress(state, MemorySegment.ofArray(rest));
                restLength = 0;
            }
        }
        while (count - at >= BLOCK) {
            long some = Math.min(MOST, (count - at) / BLOCK * BLOCK);
            blocks.compress(state, input.asSlice(at, some));
            at += some;
        }
        keep(input, at, (int) (count - at));
    }

    private void keep(MemorySegment input, long at, int count) {
        MemorySegment.copy(input, ValueLayout.JAVA_BYTE, at, rest, restLength, count);
        restLength += count;
    }

    /// A 1, zeros, and the length in bits.
    @Override
    protected byte[] engineDigest() {
        boolean fits = restLength + 1 + Long.BYTES <= BLOCK;
        byte[] last = Arrays.copyOf(Arrays.copyOf(rest, restLength), fits ? BLOCK : 2 * BLOCK);
        last[restLength] = (byte) 0x80;
        ByteBuffer.wrap(last).putLong(last.length - Long.BYTES, length * Byte.SIZE);
        blocks.compress(state, MemorySegment.ofArray(last));
        ByteBuffer digest = ByteBuffer.allocate(DIGEST).order(ByteOrder.BIG_ENDIAN);
        digest.asIntBuffer().put(state);
        engineReset();
        return digest.array();
    }

    @Override
    protected void engineReset() {
        System.arraycopy(INITIAL, 0, state, 0, INITIAL.length);
        restLength = 0;
        length = 0;
    }
}
