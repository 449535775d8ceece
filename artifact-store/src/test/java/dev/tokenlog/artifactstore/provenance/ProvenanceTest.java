package dev.tokenlog.artifactstore.provenance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Signed statements, and what other programs say of them. `TOKENLOG_PYTHON` names a Python with
/// securesystemslib, in-toto-attestation and cryptography (default: `python3`).
class ProvenanceTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final ProvenanceFile.Invocation INVOCATION =
            new ProvenanceFile.Invocation(
                    "hub:org/model@c0ffee",
                    "somebody",
                    "c-1",
                    Instant.parse("2026-01-02T03:04:05.678Z"),
                    Instant.parse("2026-01-02T03:05:06Z"));

    @TempDir Path temp;

    private Artifact artifact() {
        Path model =
                Path.of(System.getProperty("tokenlog.root"))
                        .resolve("engine/src/test/resources/golden/llama");
        try (SourceModel source = SourceModel.open(model)) {
            return new Converter(1)
                    .convert(
                            source,
                            Recipe.parse("int4"),
                            new ArtifactStore(temp.resolve("store")),
                            new ConversionListener() {});
        }
    }

    private SigningKey key(String name, Algorithm algorithm) {
        return SigningKey.create(temp.resolve(name), algorithm);
    }

    private static void assertRefused(ThrowingCallable call, String... named) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> {
                            assertThat(e.reason()).isEqualTo(Reason.SIGNATURE_REFUSED);
                            assertThat(e.getMessage()).contains(named);
                        });
    }

    @Test
    void the_signed_bytes_are_those_of_the_protocols_example() {
        byte[] payload = "hello world".getBytes(StandardCharsets.UTF_8);

        assertThat(
                        new String(
                                Envelope.preAuthentication(
                                        "http://example.com/HelloWorld", payload),
                                StandardCharsets.UTF_8))
                .isEqualTo("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    @ParameterizedTest
    @EnumSource
    void a_signed_artifact_is_accepted_by_its_key_and_by_no_other(Algorithm algorithm) {
        SigningKey key = key("mine.pem", algorithm);
        SigningKey other = key("other.pem", algorithm);
        SigningKey read = SigningKey.read(temp.resolve("mine.pem"));
        try (Artifact artifact = artifact()) {
            assertRefused(
                    () -> ProvenanceFile.require(artifact, List.of(key.publicKey())),
                    "there is no statement",
                    "artifacts sign " + artifact.manifest().modelDigest());

            ProvenanceFile.Written written = ProvenanceFile.sign(artifact, INVOCATION, read);

            List<TrustedKey> trusted =
                    TrustedKey.read(List.of(SigningKey.publicFile(temp.resolve("mine.pem"))));
            assertThat(ProvenanceFile.require(artifact, trusted).id())
                    .isEqualTo(key.publicKey().id());
            assertThat(
                            ProvenanceFile.require(
                                    artifact, List.of(other.publicKey(), key.publicKey())))
                    .isEqualTo(key.publicKey());
            assertRefused(
                    () -> ProvenanceFile.require(artifact, List.of(other.publicKey())),
                    written.file().getFileName().toString(),
                    "not signed by a trusted key");
        }
    }

    @Test
    void two_keys_sign_beside_each_other_and_signing_again_changes_nothing() throws IOException {
        SigningKey first = key("first.pem", Algorithm.ECDSA_P256);
        SigningKey second = key("second.pem", Algorithm.ED25519);
        try (Artifact artifact = artifact()) {
            ProvenanceFile.Written written = ProvenanceFile.sign(artifact, INVOCATION, first);
            byte[] bytes = Files.readAllBytes(written.file());
            ProvenanceFile.sign(artifact, INVOCATION, second);
            ProvenanceFile.Written again = ProvenanceFile.sign(artifact, INVOCATION, first);

            assertThat(again).isEqualTo(written);
            assertThat(written.file()).hasBinaryContent(bytes);
            assertThat(ProvenanceFile.files(artifact.folder())).hasSize(2);
            for (SigningKey each : List.of(first, second)) {
                assertThat(ProvenanceFile.require(artifact, List.of(each.publicKey())))
                        .isEqualTo(each.publicKey());
            }
        }
        // It is no part of what the digest covers.
        artifact().close();
    }

    @Test
    void the_statement_says_what_was_made_of_what() throws IOException {
        try (Artifact artifact = artifact()) {
            JsonNode statement = JSON.readTree(ProvenanceFile.statement(artifact, INVOCATION));

            assertThat(statement.at("/subject/0/digest/sha256").asText())
                    .isEqualTo(artifact.manifestSha256());
            assertThat(statement.at("/subject/1/digest/tokenlogModel").asText())
                    .isEqualTo(artifact.manifest().modelDigest());
            JsonNode predicate = statement.path("predicate");
            assertThat(predicate.at("/buildDefinition/externalParameters/recipe").asText())
                    .isEqualTo(artifact.manifest().recipe().canonical());
            assertThat(predicate.at("/buildDefinition/externalParameters/requestedBy").asText())
                    .isEqualTo("somebody");
            assertThat(predicate.at("/buildDefinition/resolvedDependencies"))
                    .hasSameSizeAs(artifact.manifest().source().files());
            assertThat(predicate.at("/runDetails/builder/id").asText())
                    .endsWith("/" + Converter.ENCODER_VERSION);
            assertThat(predicate.at("/runDetails/metadata/startedOn").asText())
                    .isEqualTo("2026-01-02T03:04:05Z");
        }
    }

    /// Every byte of an envelope that means something, changed: refused, never accepted, never
    /// another exception.
    @Test
    void what_was_changed_is_refused() throws IOException {
        SigningKey key = key("mine.pem", Algorithm.ECDSA_P256);
        List<TrustedKey> trusted = List.of(key.publicKey());
        try (Artifact artifact = artifact()) {
            ProvenanceFile.Written written = ProvenanceFile.sign(artifact, INVOCATION, key);
            byte[] whole = Files.readAllBytes(written.file());
            String text = new String(whole, StandardCharsets.US_ASCII);
            int keyId = text.indexOf(key.publicKey().id());
            for (int at = 0; at < whole.length; at += 7) {
                byte[] changed = whole.clone();
                changed[at] ^= 1;
                Files.write(written.file(), changed);
                boolean hint = at >= keyId - 9 && at <= keyId + 64; // which nothing rests on
                if (!hint && !Character.isWhitespace(whole[at])) {
                    assertRefused(() -> ProvenanceFile.require(artifact, trusted), "provenance-");
                }
            }
            for (int length = 0; length < whole.length - 2; length += 97) {
                Files.write(written.file(), java.util.Arrays.copyOf(whole, length));
                assertRefused(() -> ProvenanceFile.require(artifact, trusted), "provenance-");
            }
            Files.write(written.file(), new byte[(int) Envelope.MAX_BYTES + 1]);
            assertRefused(() -> ProvenanceFile.require(artifact, trusted), "more than");
        }
    }

    /// The statement covers the manifest, not only what gives the model digest.
    @Test
    void a_statement_about_another_manifest_is_refused() throws IOException {
        SigningKey key = key("mine.pem", Algorithm.ECDSA_P256);
        Path folder;
        try (Artifact artifact = artifact()) {
            folder = artifact.folder();
            ProvenanceFile.sign(artifact, INVOCATION, key);
        }
        Path manifest = folder.resolve("manifest.json");
        ObjectNode tree = (ObjectNode) JSON.readTree(manifest.toFile());
        ((ObjectNode) tree.path("source")).put("repository", "somebody/else");
        JSON.writeValue(manifest.toFile(), tree);
        try (Artifact artifact = Artifact.open(folder, true)) {
            assertRefused(
                    () -> ProvenanceFile.require(artifact, List.of(key.publicKey())),
                    "about another manifest or model");
        }
    }

    @Test
    void a_private_key_is_its_owners_alone_and_never_replaced() throws IOException {
        Path file = temp.resolve("mine.pem");
        SigningKey.create(file, Algorithm.ECDSA_P256);
        byte[] bytes = Files.readAllBytes(file);

        assertThatThrownBy(() -> SigningKey.create(file, Algorithm.ED25519))
                .hasMessageContaining("not replaced");
        assertThat(file).hasBinaryContent(bytes);
        assumeTrue(
                file.getFileSystem().supportedFileAttributeViews().contains("posix"),
                "skipped: no POSIX permissions on this file system");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        assertThatThrownBy(() -> SigningKey.read(file)).hasMessageContaining("chmod 600");
    }

    @Test
    void halves_that_do_not_belong_together_are_refused() throws IOException {
        key("mine.pem", Algorithm.ECDSA_P256);
        key("other.pem", Algorithm.ECDSA_P256);
        Files.copy(
                temp.resolve("other.pem.pub"),
                temp.resolve("mine.pem.pub"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);

        assertThatThrownBy(() -> SigningKey.read(temp.resolve("mine.pem")))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("not the public half");
    }

    // Other programs.

    private int run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        if (process.exitValue() != 0) {
            System.out.println(said);
        }
        return process.exitValue();
    }

    private boolean runs(String... command) throws InterruptedException {
        try {
            return run(command) == 0;
        } catch (IOException absent) {
            return false;
        }
    }

    private static String python() {
        String named = System.getenv("TOKENLOG_PYTHON");
        return named == null ? "python3" : named;
    }

    @ParameterizedTest
    @EnumSource
    void openssl_verifies_the_signature(Algorithm algorithm)
            throws IOException, InterruptedException {
        assumeTrue(runs("openssl", "version"), "skipped: no openssl on this machine");
        SigningKey key = key("mine.pem", algorithm);
        try (Artifact artifact = artifact()) {
            JsonNode envelope =
                    JSON.readTree(ProvenanceFile.sign(artifact, INVOCATION, key).file().toFile());
            Path message = temp.resolve("pae");
            Files.write(
                    message,
                    Envelope.preAuthentication(
                            envelope.path("payloadType").asText(),
                            Base64.getDecoder().decode(envelope.path("payload").asText())));
            Path signature = temp.resolve("sig");
            Files.write(
                    signature,
                    Base64.getDecoder().decode(envelope.at("/signatures/0/sig").asText()));
            List<String> command =
                    new ArrayList<>(List.of("openssl", "pkeyutl", "-verify", "-pubin", "-rawin"));
            if (algorithm == Algorithm.ECDSA_P256) {
                command.addAll(List.of("-digest", "sha256"));
            }
            command.addAll(List.of("-inkey", temp.resolve("mine.pem.pub").toString()));
            command.addAll(List.of("-in", message.toString(), "-sigfile", signature.toString()));

            assertThat(run(command.toArray(String[]::new))).isZero();
            Files.write(message, new byte[] {'!'}, java.nio.file.StandardOpenOption.APPEND);
            assertThat(runs(command.toArray(String[]::new))).isFalse();
        }
    }

    private static final String IN_TOTO =
            """
            import hashlib, json, sys
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
            from google.protobuf.json_format import ParseDict
            from in_toto_attestation.v1.statement import Statement
            from in_toto_attestation.v1.statement_pb2 import Statement as StatementPb
            from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
            from securesystemslib.dsse import Envelope
            from securesystemslib.signer import SSlibKey
            envelope_file, public_file, manifest_file = sys.argv[1:]
            with open(envelope_file) as f:
                envelope = Envelope.from_dict(json.load(f))
            with open(public_file, "rb") as f:
                public = load_pem_public_key(f.read())
            key = SSlibKey.from_crypto(public, keyid=next(iter(envelope.signatures)))
            assert len(envelope.verify([key], 1)) == 1
            assert envelope.payload_type == "application/vnd.in-toto+json"
            document = json.loads(envelope.payload)
            statement = Statement.copy_from_pb(ParseDict(document, StatementPb()))
            statement.validate()
            with open(manifest_file, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            assert document["subject"][0]["digest"]["sha256"] == digest
            assert document["predicateType"] == "https://slsa.dev/provenance/v1"
            ParseDict(document["predicate"], Provenance())
            """;

    @ParameterizedTest
    @EnumSource
    void the_libraries_of_in_toto_verify_signature_statement_and_predicate(Algorithm algorithm)
            throws IOException, InterruptedException {
        assumeTrue(
                runs(python(), "-c", "import in_toto_attestation, securesystemslib, cryptography"),
                "skipped: no in-toto-attestation, securesystemslib and cryptography in "
                        + python()
                        + "; TOKENLOG_PYTHON names a Python with them");
        SigningKey key = key("mine.pem", algorithm);
        try (Artifact artifact = artifact()) {
            Path file = ProvenanceFile.sign(artifact, INVOCATION, key).file();
            String manifest = artifact.folder().resolve("manifest.json").toString();
            String publicKey = temp.resolve("mine.pem.pub").toString();

            assertThat(run(python(), "-c", IN_TOTO, file.toString(), publicKey, manifest)).isZero();

            key("other.pem", algorithm);
            String other = temp.resolve("other.pem.pub").toString();
            assertThat(runs(python(), "-c", IN_TOTO, file.toString(), other, manifest)).isFalse();
        }
    }
}
