package dev.tokenlog.contracts;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// The hashes of the token topic: SHA-256, in lower-case hex.
public final class TokenHash {

    private TokenHash() {}

    /// Over token ids as little-endian 32-bit integers: `token_hash` and `prompt_hash`.
    public static String of(int... tokenIds) {
        ByteBuffer bytes =
                ByteBuffer.allocate(Math.multiplyExact(tokenIds.length, Integer.BYTES))
                        .order(ByteOrder.LITTLE_ENDIAN);
        for (int id : tokenIds) {
            bytes.putInt(id);
        }
        return ofBytes(bytes.array());
    }

    /// Over a record's value as it stands on the topic: `body_hash`.
    public static String ofBytes(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
