package dev.tokenlog.artifactstore.provenance;

import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// A public key whose signatures count.
///
/// @param id SHA-256, hex, of the key as SubjectPublicKeyInfo in DER
public record TrustedKey(String id, Algorithm algorithm, PublicKey key) {

    static TrustedKey of(PublicKey key) {
        Algorithm algorithm =
                Algorithm.of(key)
                        .orElseThrow(() ->
                                new IllegalArgumentException(
                                        "neither ECDSA P-256 nor Ed25519: " + key.getAlgorithm()));
        return new TrustedKey(sha256(key.getEncoded()), algorithm, key);
    }

    /// All keys of these PEM files.
    ///
    /// @throws dev.tokenlog.engine.EngineException if a file is not there or holds none
    public static List<TrustedKey> read(List<Path> files) {
        List<TrustedKey> keys = new ArrayList<>();
        for (Path file : files) {
            Pem.publicKeys(file).stream().map(TrustedKey::of).forEach(keys::add);
        }
        return List.copyOf(keys);
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
