package dev.tokenlog.artifactstore.provenance;

import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.util.Optional;

/// How a key signs.
public enum Algorithm {
    /// Over SHA-256, in DER: what most tools of the field expect.
    ECDSA_P256("ecdsa-p256", "EC", "SHA256withECDSA"),
    ED25519("ed25519", "Ed25519", "Ed25519");

    /// The prime of the curve P-256, which is told from its sisters by it.
    private static final BigInteger P256 =
            new BigInteger("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16);

    private final String label;
    private final String keyType;
    private final String signature;

    Algorithm(String label, String keyType, String signature) {
        this.label = label;
        this.keyType = keyType;
        this.signature = signature;
    }

    public String label() {
        return label;
    }

    String keyType() {
        return keyType;
    }

    /// Empty for keys that we do not use, for instance of other curves.
    static Optional<Algorithm> of(PublicKey key) {
        return switch (key) {
            case ECPublicKey ec
                    when ec.getParams().getCurve().getField()
                                    instanceof java.security.spec.ECFieldFp field
                            && field.getP().equals(P256) ->
                    Optional.of(ECDSA_P256);
            case EdECPublicKey ed when ed.getParams().getName().equals("Ed25519") ->
                    Optional.of(ED25519);
            default -> Optional.empty();
        };
    }

    KeyPair generate() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance(keyType);
            if (this == ECDSA_P256) {
                generator.initialize(new ECGenParameterSpec("secp256r1"));
            }
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has " + keyType, e);
        }
    }

    /// @throws GeneralSecurityException if the key is of another kind
    byte[] sign(PrivateKey key, byte[] message) throws GeneralSecurityException {
        Signature signer = Signature.getInstance(signature);
        signer.initSign(key);
        signer.update(message);
        return signer.sign();
    }

    boolean verify(PublicKey key, byte[] message, byte[] signed) {
        try {
            Signature verifier = Signature.getInstance(signature);
            verifier.initVerify(key);
            verifier.update(message);
            return verifier.verify(signed);
        } catch (SignatureException e) {
            return false; // bytes that are no signature
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a key of " + label + " was checked before", e);
        }
    }
}
