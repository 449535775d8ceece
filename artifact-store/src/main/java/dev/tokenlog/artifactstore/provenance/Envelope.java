package dev.tokenlog.artifactstore.provenance;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/// A payload and signatures over it, as the Dead Simple Signing Envelope defines them
/// (secure-systems-lab/dsse, protocol 1.0.2).
///
/// @param payloadType what the payload is; signed with it
record Envelope(String payloadType, byte[] payload, List<Signed> signatures) {

    static final String IN_TOTO = "application/vnd.in-toto+json";

    static final long MAX_BYTES = 4 << 20;
    private static final int MAX_SIGNATURES = 64;

    /// @param keyId a hint that nothing rests on; may be empty
    record Signed(String keyId, byte[] signature) {}

    static Envelope sign(byte[] payload, SigningKey key) {
        byte[] signature = key.sign(preAuthentication(IN_TOTO, payload));
        return new Envelope(IN_TOTO, payload, List.of(new Signed(key.publicKey().id(), signature)));
    }

    /// What is signed: `DSSEv1 SP LEN(type) SP type SP LEN(payload) SP payload`, lengths in bytes
    /// as decimal numbers.
    static byte[] preAuthentication(String type, byte[] payload) {
        byte[] name = type.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(payload.length + 64);
        bytes.writeBytes(("DSSEv1 " + name.length + " ").getBytes(StandardCharsets.US_ASCII));
        bytes.writeBytes(name);
        bytes.writeBytes((" " + payload.length + " ").getBytes(StandardCharsets.US_ASCII));
        bytes.writeBytes(payload);
        return bytes.toByteArray();
    }

    /// The first of the keys that has signed this.
    Optional<TrustedKey> signedBy(List<TrustedKey> keys) {
        byte[] message = preAuthentication(payloadType, payload);
        for (TrustedKey key : keys) {
            for (Signed each : signatures) {
                if (key.algorithm().verify(key.key(), message, each.signature())) {
                    return Optional.of(key);
                }
            }
        }
        return Optional.empty();
    }

    byte[] json() {
        ObjectNode root = StrictJson.MAPPER.createObjectNode();
        root.put("payloadType", payloadType);
        root.put("payload", Base64.getEncoder().encodeToString(payload));
        for (Signed each : signatures) {
            root.withArray("signatures")
                    .addObject()
                    .put("keyid", each.keyId())
                    .put("sig", Base64.getEncoder().encodeToString(each.signature()));
        }
        try {
            return (StrictJson.MAPPER.writeValueAsString(root) + "\n")
                    .getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // a tree of texts can be written
        }
    }

    /// @throws EngineException `SIGNATURE_REFUSED` with the file's name if it is no envelope
    static Envelope read(Path file) {
        InputFiles.requireRegular(file);
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes((int) MAX_BYTES + 1);
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
        if (bytes.length > MAX_BYTES) {
            throw refused(file, "more than " + MAX_BYTES + " bytes");
        }
        return parse(bytes, file);
    }

    static Envelope parse(byte[] json, Path file) {
        try {
            JsonNode root = StrictJson.MAPPER.readTree(json);
            JsonNode type = root.path("payloadType");
            JsonNode payload = root.path("payload");
            JsonNode list = root.path("signatures");
            if (!type.isTextual() || !payload.isTextual() || !list.isArray()) {
                throw refused(file, "expected payloadType, payload and signatures");
            }
            if (list.size() > MAX_SIGNATURES) {
                throw refused(file, list.size() + " signatures; the limit is " + MAX_SIGNATURES);
            }
            List<Signed> signatures = new ArrayList<>();
            for (JsonNode each : list) {
                signatures.add(
                        new Signed(
                                each.path("keyid").asText(""), decode(each.path("sig").asText())));
            }
            return new Envelope(type.textValue(), decode(payload.textValue()), signatures);
        } catch (IllegalArgumentException e) {
            throw refused(file, "payload or signature is no base64");
        } catch (IOException e) {
            throw refused(file, "no JSON: " + e.getMessage());
        }
    }

    /// Either alphabet of base64, as the protocol asks of readers; only as an encoder writes it, so
    /// that no two texts mean the same bytes.
    private static byte[] decode(String text) {
        boolean url = text.indexOf('-') >= 0 || text.indexOf('_') >= 0;
        Base64.Encoder encoder = url ? Base64.getUrlEncoder() : Base64.getEncoder();
        byte[] bytes = (url ? Base64.getUrlDecoder() : Base64.getDecoder()).decode(text);
        if (!withoutPadding(encoder.encodeToString(bytes)).equals(withoutPadding(text))) {
            throw new IllegalArgumentException("bits after the last byte");
        }
        return bytes;
    }

    private static String withoutPadding(String base64) {
        return base64.replace("=", "");
    }

    private static EngineException refused(Path file, String what) {
        return new EngineException(Reason.SIGNATURE_REFUSED, file + ": " + what);
    }
}
