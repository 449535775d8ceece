package dev.tokenlog.artifactstore.provenance;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Keys as text (RFC 7468): `PRIVATE KEY` is PKCS#8, `PUBLIC KEY` a SubjectPublicKeyInfo.
final class Pem {

    static final String PRIVATE = "PRIVATE KEY";
    static final String PUBLIC = "PUBLIC KEY";

    private static final long MAX_BYTES = 1 << 20;
    private static final Pattern BLOCK =
            Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\\s]*)-----END \\1-----");

    private Pem() {}

    static String text(String label, byte[] der) {
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(label, body, label);
    }

    static PrivateKey privateKey(Path file) {
        List<byte[]> blocks = blocks(file, PRIVATE);
        if (blocks.size() != 1) {
            throw unreadable(file, "expected one PRIVATE KEY (PKCS#8, not encrypted)");
        }
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(blocks.getFirst());
        for (Algorithm algorithm : Algorithm.values()) {
            try {
                return KeyFactory.getInstance(algorithm.keyType()).generatePrivate(spec);
            } catch (GeneralSecurityException e) {
                // of the other algorithm
            }
        }
        throw unreadable(file, "the private key is neither ECDSA P-256 nor Ed25519");
    }

    /// All public keys of a file; others may stand between them.
    static List<PublicKey> publicKeys(Path file) {
        List<PublicKey> keys = new ArrayList<>();
        for (byte[] der : blocks(file, PUBLIC)) {
            keys.add(publicKey(file, der));
        }
        if (keys.isEmpty()) {
            throw unreadable(file, "expected at least one PUBLIC KEY");
        }
        return keys;
    }

    private static PublicKey publicKey(Path file, byte[] der) {
        for (Algorithm algorithm : Algorithm.values()) {
            try {
                PublicKey key =
                        KeyFactory.getInstance(algorithm.keyType())
                                .generatePublic(new X509EncodedKeySpec(der));
                if (Algorithm.of(key).isPresent()) {
                    return key;
                }
            } catch (GeneralSecurityException e) {
                // of the other algorithm
            }
        }
        throw unreadable(file, "a public key is neither ECDSA P-256 nor Ed25519");
    }

    private static List<byte[]> blocks(Path file, String label) {
        InputFiles.requireRegular(file);
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw unreadable(file, "larger than a file of keys can be");
            }
            String text = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
            List<byte[]> blocks = new ArrayList<>();
            Matcher matcher = BLOCK.matcher(text);
            while (matcher.find()) {
                if (matcher.group(1).equals(label)) {
                    blocks.add(Base64.getMimeDecoder().decode(matcher.group(2)));
                }
            }
            return blocks;
        } catch (IllegalArgumentException e) {
            throw unreadable(file, "the " + label + " is no base64");
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    private static EngineException unreadable(Path file, String what) {
        return new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + what);
    }
}
