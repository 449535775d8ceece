package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two machines that share nothing but the log and a store of artifacts (a folder here; the same
/// with S3 is `RemoteArtifactsTest`).
class ObjectStoreIT {

    @TempDir private Path folder;

    @Test
    void aWorkerFetchesWhatAnotherMachineConvertedAndGarbageIsCollected() throws Exception {
        Path data = folder.resolve("data");
        Path shared = folder.resolve("shared");
        try (Platform platform =
                Platform.start(data, Map.of("TOKENLOG_OBJECT_STORE_URL", shared.toString()))) {
            DemoModel.convert(platform, "demo", 4);
            var manifest =
                    TopicDump.of(platform.bootstrap(), "model-manifests")
                            .events("model_id", "demo")
                            .getLast();
            String digest = manifest.path("model_digest").asText();
            assertThat(manifest.path("location").asText())
                    .isEqualTo(shared.resolve(digest).toString());

            Path other = folder.resolve("other machine");
            try (Worker worker =
                    Worker.start(
                            platform.bootstrap(),
                            other,
                            "-Dtokenlog.object-store.url=" + shared,
                            "-Dtokenlog.inference.models.pinned=demo")) {
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
                                TopicDump.of(platform.bootstrap(), "worker-events")
                                        .records()
                                        .stream()
                                        .anyMatch(record -> isLoaded(record.value())));
            }
            collectsGarbage(platform, data, shared, digest);
        }
    }

    private static boolean isLoaded(byte[] event) {
        return event != null
                && new String(event, java.nio.charset.StandardCharsets.UTF_8)
                        .contains("\"PINNED\"");
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
                java.util.stream.Stream.concat(
                                java.util.stream.Stream.of("artifacts", "gc", "--store", store),
                                java.util.stream.Stream.of(more))
                        .toArray(String[]::new);
        CommandLine.Result result = platform.tokenlog(arguments);
        assertThat(result.status()).as(result.toString()).isZero();
        return result;
    }
}
