package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.artifact.Digests;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.Sha256Blocks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Random;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeSha256Test {

    /// "abc", padded; FIPS 180-4 gives its digest as an example.
    private static final String ABC =
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    @TempDir Path folder;

    private final Sha256Blocks blocks = new NativeSha256();

    @Test
    void itIsFoundAsAService() {
        assertThat(ServiceLoader.load(Sha256Blocks.class))
                .hasAtLeastOneElementOfType(NativeSha256.class);
    }

    @Test
    void aKnownMessageHasItsDigest() {
        assumeUsable();
        byte[] message = new byte[Sha256Blocks.BLOCK];
        message[0] = 'a';
        message[1] = 'b';
        message[2] = 'c';
        message[3] = (byte) 0x80;
        message[63] = 24;

        assertThat(digest(MemorySegment.ofArray(message))).isEqualTo(ABC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment outside = arena.allocate(message.length);
            outside.copyFrom(MemorySegment.ofArray(message));
            assertThat(digest(outside)).isEqualTo(ABC);
        }
    }

    private String digest(MemorySegment message) {
        int[] state = {
            0x6a09e667,
            0xbb67ae85,
            0x3c6ef372,
            0xa54ff53a,
            0x510e527f,
            0x9b05688c,
            0x1f83d9ab,
            0x5be0cd19
        };
        blocks.compress(state, message);
        StringBuilder hex = new StringBuilder();
        for (int word : state) {
            hex.append(HexFormat.of().toHexDigits(word));
        }
        return hex.toString();
    }

    @Test
    void filesHaveTheDigestsOfJava() throws Exception {
        assumeUsable();
        Random random = new Random(7);
        for (int size : new int[] {1 << 20, (1 << 20) + 1, 3_333_333}) {
            byte[] bytes = new byte[size];
            random.nextBytes(bytes);
            Path file = Files.write(folder.resolve("weights"), bytes);
            byte[] right = MessageDigest.getInstance("SHA-256").digest(bytes);

            assertThat(Digests.file(file))
                    .isEqualTo(
                            new Manifest.FileEntry(
                                    "weights", size, HexFormat.of().formatHex(right)));
        }
    }

    @Test
    void whatIsNoBlockIsRefused() {
        assumeUsable();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> blocks.compress(new int[8], MemorySegment.ofArray(new byte[63])));
    }

    private void assumeUsable() {
        assumeTrue(blocks.usable(), "skipped: no library, or a processor without SHA-256");
    }
}
