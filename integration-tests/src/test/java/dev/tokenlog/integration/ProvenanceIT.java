package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Who made a model of what, from the key to the worker that asks for a signature.
class ProvenanceIT {

    @TempDir private Path folder;

    @Test
    void aWorkerThatAsksForSignaturesServesWhatIsSignedAndTheAuditTellsTheWholeLife()
            throws Exception {
        Path data = folder.resolve("data");
        CommandLine.Result made =
                CommandLine.tokenlog(folder, "artifacts", "new-key", "--data", data.toString());
        assertThat(made.status()).as(made.toString()).isZero();
        String keyId = made.out().strip();
        String publicKey = data.resolve("keys/signing.pem.pub").toString();
        try (Platform platform =
                Platform.start(data, Map.of("TOKENLOG_INFERENCE_MODELS_TRUSTED_KEYS", publicKey))) {
            DemoModel.convert(platform, "signed", 4);
            assertThat(answer(platform).status()).isZero();
            CommandLine.Result promoted = platform.tokenlog("models", "promote", "signed");
            assertThat(promoted.status()).as(promoted.toString()).isZero();
            auditTellsTheWholeLife(platform, keyId);

            // The statement is gone; a new worker has to load the model again.
            Path statement = statement(platform);
            byte[] bytes = Files.readAllBytes(statement);
            Files.delete(statement);
            platform.stop();
            try (Platform again =
                    Platform.start(
                            data, Map.of("TOKENLOG_INFERENCE_MODELS_TRUSTED_KEYS", publicKey))) {
                CommandLine.Result refused = answer(again);
                assertThat(refused.status()).as(refused.toString()).isEqualTo(1);
                assertThat(refused.err())
                        .contains("SIGNATURE_REFUSED")
                        .contains("there is no statement")
                        .contains("tokenlog artifacts sign sha256-");

                Files.write(statement, bytes);
                assertThat(answer(again).status()).isZero();
            }
            checkedWithoutABroker(data, statement.getParent(), publicKey, keyId);
        }
    }

    private static CommandLine.Result answer(Platform platform) {
        return platform.tokenlog("generate", "signed", "What is a partition?", "--max-tokens", "8");
    }

    private static ObjectNode manifest(Platform platform) {
        return TopicDump.of(platform.bootstrap(), "model-manifests")
                .events("model_id", "signed")
                .getLast();
    }

    private static Path statement(Platform platform) {
        ObjectNode manifest = manifest(platform);
        return Path.of(manifest.path("location").asText())
                .resolve(manifest.at("/provenance/file").asText());
    }

    private static void auditTellsTheWholeLife(Platform platform, String keyId) throws Exception {
        String told = platform.tokenlog("audit", "signed", "--all").out();
        String source =
                java.util.HexFormat.of()
                        .formatHex(
                                java.security.MessageDigest.getInstance("SHA-256")
                                        .digest(
                                                Files.readAllBytes(
                                                        Checkout.demoModel()
                                                                .resolve("model.safetensors"))));

        assertThat(told)
                .contains("asked for by " + System.getProperty("user.name"))
                .contains("int4, groups of 32, scales by")
                .contains("by encoder tokenlog-")
                .contains(source + "  model.safetensors")
                .containsPattern("model.layers.5.mlp.down_proj.weight int4-g32, relative error \\d")
                .containsPattern("ValidationFinished.* PASS by ")
                .contains("PromoteRequested")
                .containsPattern("ModelServing.* signed is SERVING")
                .contains("ProvenanceSigned")
                .contains("signed   by key " + keyId)
                .contains("manifest " + manifest(platform).path("manifest_sha256").asText());
    }

    private void checkedWithoutABroker(Path data, Path artifact, String publicKey, String keyId) {
        String digest = artifact.getFileName().toString();
        String store = data.resolve("artifacts").toString();
        CommandLine.Result whole =
                CommandLine.tokenlog(
                        folder,
                        "artifacts",
                        "verify",
                        digest,
                        "--store",
                        store,
                        "--trusted-keys",
                        publicKey);
        assertThat(whole.status()).as(whole.toString()).isZero();
        assertThat(whole.out()).contains(digest + "  whole, signed by " + keyId);

        Path other = folder.resolve("other.pem");
        CommandLine.tokenlog(folder, "artifacts", "new-key", "--out", other.toString());
        CommandLine.Result refused =
                CommandLine.tokenlog(
                        folder,
                        "artifacts",
                        "verify",
                        "--store",
                        store,
                        "--trusted-keys",
                        other + ".pub");
        assertThat(refused.status()).isEqualTo(1);
        CommandLine.Result signed =
                CommandLine.tokenlog(
                        folder,
                        "artifacts",
                        "sign",
                        digest,
                        "--store",
                        store,
                        "--signing-key",
                        other.toString());
        assertThat(signed.status()).as(signed.toString()).isZero();
        assertThat(
                        CommandLine.tokenlog(
                                        folder,
                                        "artifacts",
                                        "verify",
                                        "--store",
                                        store,
                                        "--trusted-keys",
                                        other + ".pub")
                                .status())
                .isZero();
    }
}
