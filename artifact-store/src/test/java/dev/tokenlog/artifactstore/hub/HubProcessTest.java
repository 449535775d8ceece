package dev.tokenlog.artifactstore.hub;

import static dev.tokenlog.artifactstore.hub.HubFixture.fetch;
import static dev.tokenlog.artifactstore.hub.HubFixture.hub;
import static dev.tokenlog.artifactstore.hub.HubFixture.model;
import static dev.tokenlog.artifactstore.hub.HubFixture.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Downloads in processes of their own: killed, side by side, and on a disk that takes no more.
class HubProcessTest {

    @TempDir Path home;

    private final FakeHub server = new FakeHub();

    @AfterEach
    void close() {
        server.close();
    }

    private Path incomplete(Map<String, byte[]> files) {
        return home.resolve("hub/models--org--model/blobs")
                .resolve(FakeHub.sha256(files.get("model.safetensors")) + ".incomplete");
    }

    @Test
    void aKilledDownloadIsGoneOnWith() throws Exception {
        Map<String, byte[]> files = model(600_000);
        server.add("org/model", files);
        server.setRate(150_000);
        Process process = FetchProcess.start(server, home, "org/model", 0);
        await().atMost(Duration.ofSeconds(30))
                .until(() -> incomplete(files).toFile().length() > 100_000);
        process.destroyForcibly().waitFor(); // kill -9
        long arrived = Files.size(incomplete(files));
        assertThat(home.resolve("hub/models--org--model/refs")).doesNotExist();
        server.setRate(0);
        server.forget();

        Path folder = fetch(hub(server, home), "org/model").folder();

        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(server.requests("cdn"))
                .singleElement()
                .matches(r -> ("bytes=" + arrived + "-").equals(r.header("range")));
        assertThat(incomplete(files)).doesNotExist();
    }

    @Test
    void twoProcessesDownloadEachFileOnce() throws Exception {
        Map<String, byte[]> files = model(400_000);
        server.add("org/model", files);
        server.setRate(200_000);
        Process one = FetchProcess.start(server, home, "org/model", 0);
        Process other = FetchProcess.start(server, home, "org/model", 0);

        String folder = FetchProcess.said(one);
        assertThat(FetchProcess.said(other)).isEqualTo(folder);
        assertThat(one.waitFor()).as(folder).isZero();
        assertThat(other.waitFor()).isZero();
        assertThat(read(Path.of(folder).resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(server.requests("cdn")).hasSize(1);
    }

    @Test
    void aDiskThatTakesNoMoreIsSaidAndWhatArrivedIsKept() throws Exception {
        assumeTrue(File.separatorChar == '/', "skipped: needs ulimit");
        Map<String, byte[]> files = model(400_000);
        server.add("org/model", files);
        Process process = FetchProcess.start(server, home, "org/model", 100);

        String said = FetchProcess.said(process);

        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(said)
                .startsWith("STORAGE_FAILED: ")
                .contains(incomplete(files).toString())
                .contains("MiB free")
                .contains("HF_HOME");
        assertThat(Files.size(incomplete(files))).isLessThanOrEqualTo(102_400);
        assertThat(home.resolve("hub/models--org--model/refs")).doesNotExist();

        Path folder = fetch(hub(server, home), "org/model").folder();
        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(server.requests("cdn").getLast().header("range")).isNotNull();
    }
}
