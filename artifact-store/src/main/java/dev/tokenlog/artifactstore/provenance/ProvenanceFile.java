package dev.tokenlog.artifactstore.provenance;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Signed statements about an artifact, in its folder: `provenance-<beginning of the key's
/// id>.dsse.json`, one file for each key. They are no part of the model digest: who signed a model
/// does not change a token.
///
/// The statement is in-toto's (`https://in-toto.io/Statement/v1`) with the predicate
/// `https://slsa.dev/provenance/v1`. Its subjects are `manifest.json` by its SHA-256, through which
/// every byte of the artifact is covered, and the model by its digest.
public final class ProvenanceFile {

    static final String STATEMENT = "https://in-toto.io/Statement/v1";
    static final String PREDICATE = "https://slsa.dev/provenance/v1";
    static final String BUILD_TYPE = "https://tokenlog.dev/conversion/v1";
    static final String BUILDER = "https://tokenlog.dev/converter/";

    /// A digest of digests, of no single file: not for who compares files by `sha256`.
    static final String MODEL_DIGEST = "tokenlogModel";

    private static final String MANIFEST = "manifest.json";
    private static final int NAME_DIGITS = 16;
    public static final int MAX_FILES = 64;

    /// Of one statement.
    public static final long MAX_BYTES = Envelope.MAX_BYTES;

    private ProvenanceFile() {}

    /// What the manifest does not say of a conversion.
    ///
    /// @param source as it was asked for: a folder, a file, or `hub:ORG/NAME@COMMIT`
    /// @param requestedBy null where nobody said
    /// @param invocationId the conversion's id; null where it was none of the log's
    /// @param startedOn null where nobody knows any more, like `finishedOn`
    public record Invocation(
            String source,
            String requestedBy,
            String invocationId,
            Instant startedOn,
            Instant finishedOn) {}

    /// A statement that lies beside an artifact.
    ///
    /// @param sha256 of the file
    public record Written(Path file, String sha256, TrustedKey key) {}

    /// Signs, unless a statement by this key about exactly this artifact is there already: that one
    /// stays, since events may name it.
    public static Written sign(Artifact artifact, Invocation invocation, SigningKey key) {
        Path file = artifact.folder().resolve(fileName(key.publicKey().id()));
        if (!isSigned(file, artifact, key.publicKey())) {
            ArtifactStore.writeDurably(
                    file, Envelope.sign(statement(artifact, invocation), key).json());
        }
        try {
            return new Written(file, TrustedKey.sha256(Files.readAllBytes(file)), key.publicKey());
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /// @param keyId of the key that signed it
    public static String fileName(String keyId) {
        return "provenance-" + keyId.substring(0, NAME_DIGITS) + ".dsse.json";
    }

    private static boolean isSigned(Path file, Artifact artifact, TrustedKey key) {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try {
            return problem(file, artifact, List.of(key)).isEmpty();
        } catch (EngineException e) {
            return false; // broken: written anew
        }
    }

    static byte[] statement(Artifact artifact, Invocation invocation) {
        Manifest manifest = artifact.manifest();
        ObjectNode root = StrictJson.MAPPER.createObjectNode();
        root.put("_type", STATEMENT);
        ArrayNode subjects = root.putArray("subject");
        subjects.addObject()
                .put("name", MANIFEST)
                .putObject("digest")
                .put("sha256", artifact.manifestSha256());
        subjects.addObject()
                .put("name", manifest.model().name())
                .putObject("digest")
                .put(MODEL_DIGEST, manifest.modelDigest());
        root.put("predicateType", PREDICATE);
        ObjectNode predicate = root.putObject("predicate");
        putDefinition(predicate.putObject("buildDefinition"), manifest, invocation);
        putRun(predicate.putObject("runDetails"), manifest, invocation);
        try {
            return StrictJson.MAPPER.writeValueAsString(root).getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // a tree of texts can be written
        }
    }

    private static void putDefinition(
            ObjectNode definition, Manifest manifest, Invocation invocation) {
        definition.put("buildType", BUILD_TYPE);
        ObjectNode external = definition.putObject("externalParameters");
        external.put("source", invocation.source());
        external.put("recipe", manifest.recipe().canonical());
        if (invocation.requestedBy() != null) {
            external.put("requestedBy", invocation.requestedBy());
        }
        ArrayNode dependencies = definition.putArray("resolvedDependencies");
        for (Manifest.FileEntry file : manifest.source().files()) {
            ObjectNode dependency = dependencies.addObject();
            dependency.put("name", file.path());
            dependency.putObject("digest").put("sha256", file.sha256());
        }
    }

    private static void putRun(ObjectNode run, Manifest manifest, Invocation invocation) {
        ObjectNode builder = run.putObject("builder");
        builder.put("id", BUILDER + manifest.recipe().encoderVersion());
        ObjectNode metadata = run.putObject("metadata");
        if (invocation.invocationId() != null) {
            metadata.put("invocationId", invocation.invocationId());
        }
        if (invocation.startedOn() != null && invocation.finishedOn() != null) {
            metadata.put("startedOn", seconds(invocation.startedOn()));
            metadata.put("finishedOn", seconds(invocation.finishedOn()));
        }
    }

    private static String seconds(Instant time) {
        return time.truncatedTo(java.time.temporal.ChronoUnit.SECONDS).toString();
    }

    /// The statements in an artifact's folder, sorted by name.
    public static List<Path> files(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> isStatement(file.getFileName().toString()))
                    .sorted()
                    .limit(MAX_FILES)
                    .toList();
        } catch (IOException e) {
            throw new EngineException(
                    Reason.MODEL_UNREADABLE, folder + ": cannot be listed: " + e.getMessage(), e);
        }
    }

    /// Whether a file of an artifact's folder has the name of a statement.
    public static boolean isStatement(String name) {
        return name.matches("provenance-[0-9a-f]{16}\\.dsse\\.json");
    }

    /// Holds an artifact against the statements in its folder.
    ///
    /// @return the key that signed one about exactly this artifact
    /// @throws EngineException `SIGNATURE_REFUSED` if none of the keys did, with what is wrong with
    ///   each statement, and the remedy
    public static TrustedKey require(Artifact artifact, List<TrustedKey> trusted) {
        StringBuilder problems = new StringBuilder();
        for (Path file : files(artifact.folder())) {
            try {
                Envelope envelope = Envelope.read(file);
                Optional<String> problem = problem(envelope, artifact, trusted);
                if (problem.isEmpty()) {
                    return envelope.signedBy(trusted).orElseThrow();
                }
                problems.append("; ").append(file.getFileName()).append(": ").append(problem.get());
            } catch (EngineException e) {
                problems.append("; ").append(e.getMessage());
            }
        }
        throw new EngineException(
                Reason.SIGNATURE_REFUSED,
                ("%s: no signature by one of the %d trusted keys%s. Trust the key that signed it, or"
                                + " sign it: 'tokenlog artifacts sign %s --signing-key FILE'")
                        .formatted(
                                artifact.folder(),
                                trusted.size(),
                                problems.isEmpty() ? "; there is no statement" : problems,
                                artifact.manifest().modelDigest()));
    }

    private static Optional<String> problem(
            Path file, Artifact artifact, List<TrustedKey> trusted) {
        return problem(Envelope.read(file), artifact, trusted);
    }

    private static Optional<String> problem(
            Envelope envelope, Artifact artifact, List<TrustedKey> trusted) {
        if (envelope.signedBy(trusted).isEmpty()) {
            return Optional.of("not signed by a trusted key");
        }
        if (!envelope.payloadType().equals(Envelope.IN_TOTO)) {
            return Optional.of("the payload is " + envelope.payloadType());
        }
        JsonNode statement;
        try {
            statement = StrictJson.MAPPER.readTree(envelope.payload());
        } catch (IOException e) {
            return Optional.of("the statement is no JSON");
        }
        if (!statement.path("_type").asText().equals(STATEMENT)
                || !statement.path("predicateType").asText().equals(PREDICATE)) {
            return Optional.of("no provenance in the form of SLSA 1");
        }
        String manifest = artifact.manifestSha256();
        String model = artifact.manifest().modelDigest();
        boolean ofManifest = false;
        boolean ofModel = false;
        for (JsonNode subject : statement.path("subject")) {
            JsonNode digest = subject.path("digest");
            ofManifest |= digest.path("sha256").asText().equals(manifest);
            ofModel |= digest.path(MODEL_DIGEST).asText().equals(model);
        }
        return ofManifest && ofModel
                ? Optional.empty()
                : Optional.of("it is about another manifest or model");
    }
}
