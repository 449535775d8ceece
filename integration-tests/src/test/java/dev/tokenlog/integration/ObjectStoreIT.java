package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.artifactstore.object.S3Server;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two machines that share nothing but the log and a store of artifacts.
class ObjectStoreIT {

    @TempDir private Path folder;

    @Test
    void aWorkerFetchesWhatAnotherMachineConvertedAndGarbageIsCollected() throws Exception {
        Path data = folder.resolve("data");
        Path shared = folder.resolve("shared");
        try (Platform platform =
                Platform.start(data, Map.of("TOKENLOG_OBJECT_STORE_URL", shared.toString()))) {
            String digest = converted(platform, shared.toString());
            fetched(platform, digest, "-Dtokenlog.object-store.url=" + shared);
            collectsGarbage(platform, data, shared, digest);
        }
    }

    @Test
    void theStoreMayBeS3() throws Exception {
        String url = "s3://" + S3Server.BUCKET + "/artifacts";
        try (S3Server server = S3Server.start(folder.resolve("s3"));
                Platform platform =
                        Platform.start(
                                folder.resolve("data"),
                                Map.of(
                                        "TOKENLOG_OBJECT_STORE_URL",
                                        url,
                                        "TOKENLOG_OBJECT_STORE_ENDPOINT",
                                        server.endpoint().toString(),
                                        "AWS_ACCESS_KEY_ID",
                                        S3Server.ID,
                                        "AWS_SECRET_ACCESS_KEY",
                                        S3Server.SECRET))) {
            String digest = converted(platform, url);
            fetched(
                    platform,
                    digest,
                    "-Dtokenlog.object-store.url=" + url,
                    "-Dtokenlog.object-store.endpoint=" + server.endpoint(),
                    "-Daws.accessKeyId=" + S3Server.ID,
                    "-Daws.secretAccessKey=" + S3Server.SECRET);
        }
    }

    /// The digest of the bundled model, converted by the platform into the store.
    private static String converted(Platform platform, String url) throws Exception {
        DemoModel.convert(platform, "demo", 4);
        var manifest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "demo")
                        .getLast();
        String digest = manifest.path("model_digest").asText();
        assertThat(manifest.path("location").asText()).isEqualTo(url + "/" + digest);
        return digest;
    }

    /// A worker with a disk of its own loads the model.
    private void fetched(Platform platform, String digest, String... properties) throws Exception {
        Path other = folder.resolve("other machine");
        String[] all =
                Stream.concat(
                                Stream.of(properties),
                                Stream.of("-Dtokenlog.inference.models.pinned=demo"))
                        .toArray(String[]::new);
        try (Worker worker = Worker.start(platform.bootstrap(), other, all)) {
            Path fetched = other.resolve("artifacts").resolve(digest);
            await("the other worker has fetched the model: " + worker.log())
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> Files.exists(fetched.resolve("manifest.json")));
            assertThat(
                            CommandLine.tokenlog(
                                            folder,
                                            "artifacts",
                                            "verify",
                                            "--store",
                                            fetched.getParent().toString())
                                    .out())
                    .isEqualTo(digest + "  whole\n");
            await("and has loaded it")
                    .atMost(Duration.ofSeconds(30))
                    .until(() ->
                            TopicDump.of(platform.bootstrap(), "worker-events").records().stream()
                                    .anyMatch(record -> isLoaded(record.value())));
        }
    }

    private static boolean isLoaded(byte[] event) {
        return event != null && new String(event, StandardCharsets.UTF_8).contains("\"PINNED\"");
    }

    private void collectsGarbage(Platform platform, Path data, Path shared, String named)
            throws IOException {
        String store = data.resolve("artifacts").toString();
        CommandLine.Result unnamed =
                CommandLine.tokenlog(
                        folder,
                        "quantize",
                        Checkout.demoModel().toString(),
                        "--bits",
                        "8",
                        "--out",
                        store);
        String garbage = unnamed.out().strip();
        CommandLine.Result push =
                CommandLine.tokenlog(
                        folder,
                        "artifacts",
                        "push",
                        garbage,
                        "--store",
                        store,
                        "--object-store-url",
                        shared.toString());
        assertThat(push.status()).as(push.toString()).isZero();

        // It is young: a conversion may be about to name it.
        assertThat(gc(platform, store, "--grace-hours", "1").out()).isEmpty();
        CommandLine.Result dry = gc(platform, store, "--grace-hours", "0", "--dry-run");
        assertThat(dry.out().lines())
                .hasSize(2)
                .allMatch(line -> line.startsWith(garbage))
                .anyMatch(line -> line.contains(store))
                .anyMatch(line -> line.contains(shared.toString()));
        assertThat(Path.of(store, garbage)).exists();

        assertThat(gc(platform, store, "--grace-hours", "0").out().lines()).hasSize(2);
        assertThat(Path.of(store, garbage)).doesNotExist();
        assertThat(shared.resolve(garbage)).doesNotExist();
        assertThat(Path.of(store, named)).exists();
        assertThat(shared.resolve(named).resolve("manifest.json")).exists();

        // The first gc has noted whose the stores are; another cluster has nothing to say there.
        Path note = shared.resolve("cluster-id");
        String cluster = Files.readString(note);
        assertThat(Path.of(store, ".cluster-id")).hasContent(cluster);
        Files.writeString(note, "another\n");
        CommandLine.Result other =
                platform.tokenlog("artifacts", "gc", "--store", store, "--grace-hours", "0");
        assertThat(other.status()).isEqualTo(1);
        assertThat(other.err()).contains("another", cluster.strip());
        Files.writeString(note, cluster);

        // A folder of models that this cluster has never heard of.
        String foreign = folder.resolve("foreign").toString();
        CommandLine.Result elsewhere =
                CommandLine.tokenlog(
                        folder,
                        "quantize",
                        Checkout.demoModel().toString(),
                        "--bits",
                        "8",
                        "--out",
                        foreign);
        assertThat(elsewhere.status()).isZero();
        CommandLine.Result refused =
                platform.tokenlog("artifacts", "gc", "--store", foreign, "--grace-hours", "0");
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err()).contains("right cluster");
    }

    private static CommandLine.Result gc(Platform platform, String store, String... more) {
        String[] arguments =
                Stream.concat(Stream.of("artifacts", "gc", "--store", store), Stream.of(more))
                        .toArray(String[]::new);
        CommandLine.Result result = platform.tokenlog(arguments);
        assertThat(result.status()).as(result.toString()).isZero();
        return result;
    }
}
