package dev.tokenlog.engine.generation;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// The seed of a generation whose prompt names none.
public final class GenerationSeed {

    private GenerationSeed() {}

    /// The first 53 bits, big-endian, of SHA-256 of the generation id: every JSON reader keeps it.
    public static long of(String generationId) {
        try {
            byte[] digest =
                    MessageDigest.getInstance("SHA-256")
                            .digest(generationId.getBytes(StandardCharsets.UTF_8));
            return ByteBuffer.wrap(digest).getLong() >>> 11;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
