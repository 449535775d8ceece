package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The frame around a compression function, with one that is plain Java.
class Sha256Test {

    private final Random random = new Random(20261123);

    @Test
    void digestsAreThoseOfJava() {
        MessageDigest ours = new Sha256(new Plain());
        for (int i = 0; i < 300; i++) {
            byte[] message = new byte[random.nextInt(i % 10 == 0 ? 200_000 : 400)];
            random.nextBytes(message);
            int at = 0;
            while (at < message.length) {
                int count = random.nextInt(message.length - at + 1);
                feed(ours, message, at, count);
                at += count;
            }
            // Used again for the next message.
            assertThat(ours.digest()).isEqualTo(Sha256.java().digest(message));
        }
    }

    private void feed(MessageDigest digest, byte[] message, int at, int count) {
        switch (random.nextInt(4)) {
            case 0 -> {
                for (int i = 0; i < Math.min(count, 3); i++) {
                    digest.update(message[at + i]);
                }
                int fed = Math.min(count, 3);
                digest.update(message, at + fed, count - fed);
            }
            case 1 -> {
                ByteBuffer buffer = ByteBuffer.wrap(message, at, count);
                digest.update(buffer);
                assertThat(buffer.hasRemaining()).isFalse();
            }
            case 2 ->
                    digest.update(ByteBuffer.allocateDirect(count).put(message, at, count).flip());
            default -> digest.update(message, at, count);
        }
    }

    @Test
    void whatIsBegunCanBeGivenUp() {
        MessageDigest ours = new Sha256(new Plain());
        ours.update(new byte[100]);
        ours.reset();

        assertThat(ours.digest()).isEqualTo(Sha256.java().digest());
    }

    @Test
    void oneThatIsRightIsTaken() {
        assertThat(Sha256.isRight(new Plain())).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void oneThatIsNotRightIsLeftOut(Fault fault) {
        assertThat(Sha256.isRight(new Faulty(fault))).isFalse();
    }

    enum Fault {
        WRONG_WORD,
        FORGETS_THE_SECOND_BLOCK,
        THROWS,
        LACKS_A_FUNCTION,
        NOT_USABLE
    }

    private record Faulty(Fault fault) implements Sha256Blocks {

        @Override
        public boolean usable() {
            return fault != Fault.NOT_USABLE;
        }

        @Override
        public void compress(int[] state, MemorySegment blocks) {
            Sha256Blocks plain = new Plain();
            switch (fault) {
                case WRONG_WORD -> {
                    plain.compress(state, blocks);
                    state[7] ^= 1;
                }
                case FORGETS_THE_SECOND_BLOCK -> plain.compress(state, blocks.asSlice(0, BLOCK));
                case THROWS -> throw new IllegalStateException("no");
                case LACKS_A_FUNCTION -> throw new NoClassDefFoundError("no");
                case NOT_USABLE -> plain.compress(state, blocks);
            }
        }
    }

    /// FIPS 180-4, 6.2.2, as it stands there.
    private static final class Plain implements Sha256Blocks {

        private static final ValueLayout.OfInt WORD =
                ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

        private static final int[] CONSTANTS = constants();

        @Override
        public boolean usable() {
            return true;
        }

        @Override
        public void compress(int[] state, MemorySegment blocks) {
            for (long at = 0; at < blocks.byteSize(); at += BLOCK) {
                block(state, blocks.asSlice(at, BLOCK));
            }
        }

        private static void block(int[] state, MemorySegment block) {
            int[] w = new int[64];
            for (int t = 0; t < 16; t++) {
                w[t] = block.getAtIndex(WORD, t);
            }
            for (int t = 16; t < 64; t++) {
                int before = w[t - 15];
                int near = w[t - 2];
                w[t] =
                        w[t - 16]
                                + w[t - 7]
                                + (rotated(before, 7) ^ rotated(before, 18) ^ before >>> 3)
                                + (rotated(near, 17) ^ rotated(near, 19) ^ near >>> 10);
            }
            int[] v = Arrays.copyOf(state, 8);
            for (int t = 0; t < 64; t++) {
                int a = v[0];
                int e = v[4];
                int first =
                        v[7]
                                + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25))
                                + (e & v[5] ^ ~e & v[6])
                                + CONSTANTS[t]
                                + w[t];
                int second =
                        (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22))
                                + (a & v[1] ^ a & v[2] ^ v[1] & v[2]);
                System.arraycopy(v, 0, v, 1, 7);
                v[0] = first + second;
                v[4] += first;
            }
            for (int i = 0; i < 8; i++) {
                state[i] += v[i];
            }
        }

        private static int rotated(int x, int by) {
            return Integer.rotateRight(x, by);
        }

        /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
        private static int[] constants() {
            int[] constants = new int[64];
            int found = 0;
            for (int n = 2; found < constants.length; n++) {
                int number = n;
                if (Arrays.stream(new int[] {2, 3, 5, 7, 11, 13, 17})
                        .noneMatch(p -> p < number && number % p == 0)) {
                    constants[found++] = (int) (long) (Math.cbrt(n) % 1 * 0x1p32);
                }
            }
            return constants;
        }
    }
}
