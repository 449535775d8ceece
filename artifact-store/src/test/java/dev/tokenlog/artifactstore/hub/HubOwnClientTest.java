package dev.tokenlog.artifactstore.hub;

import static dev.tokenlog.artifactstore.hub.HubFixture.failure;
import static dev.tokenlog.artifactstore.hub.HubFixture.fetch;
import static dev.tokenlog.artifactstore.hub.HubFixture.hub;
import static dev.tokenlog.artifactstore.hub.HubFixture.model;
import static dev.tokenlog.artifactstore.hub.HubFixture.read;
import static dev.tokenlog.artifactstore.hub.HubFixture.sharded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.EngineException.Reason;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The cache folder between us and the hub's own client, `huggingface_hub` in Python. Needs a
/// Python that has it: `python3`, or the one that `TOKENLOG_PYTHON` names.
class HubOwnClientTest {

    private static final String PYTHON = System.getenv().getOrDefault("TOKENLOG_PYTHON", "python3");

    @TempDir Path home;

    private final FakeHub server = new FakeHub();

    /// Why these tests cannot run; empty if they can.
    private static final String LACK = lack();

    private static String lack() {
        try {
            Process process =
                    new ProcessBuilder(PYTHON, "-c", "import huggingface_hub, filelock")
                            .redirectErrorStream(true)
                            .start();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0
                    ? ""
                    : PYTHON + " has no huggingface_hub; TOKENLOG_PYTHON names another one";
        } catch (IOException e) {
            return "there is no " + PYTHON;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "interrupted";
        }
    }

    /// For each test by itself, so that each is counted as skipped.
    @BeforeEach
    void needsTheClient() {
        assumeTrue(LACK.isEmpty(), () -> "skipped: " + LACK);
    }

    @AfterEach
    void close() {
        server.close();
    }

    private Process start(String... lines) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(PYTHON, "-c", String.join("\n", lines))
                        .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment()
                .putAll(
                        Map.of(
                                "HF_ENDPOINT", server.endpoint(),
                                "HF_HOME", home.toString(),
                                "HF_HUB_DISABLE_XET", "1",
                                "HF_HUB_DISABLE_TELEMETRY", "1",
                                "HF_HUB_DISABLE_UPDATE_CHECK", "1",
                                "HF_HUB_DISABLE_PROGRESS_BARS", "1"));
        return builder.start();
    }

    /// @return what it printed
    private String python(String... lines) throws Exception {
        Process process = start(lines);
        String said = new String(process.getInputStream().readAllBytes()).strip();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(said).isZero();
        return said;
    }

    @Test
    void itFindsWhatWeDownloaded() throws Exception {
        Map<String, byte[]> files = sharded(3, 5000);
        String commit = server.add("org/model", files);
        Path folder = fetch(hub(server, home), "org/model").folder();
        server.forget();

        assertThat(
                        python(
                                "from huggingface_hub import snapshot_download, hf_hub_download",
                                "print(snapshot_download('org/model', local_files_only=True))",
                                "print(hf_hub_download('org/model', 'config.json', local_files_only=True))"))
                .isEqualTo(folder + "\n" + folder.resolve("config.json"));
        assertThat(
                        python(
                                "from huggingface_hub import scan_cache_dir",
                                "info = scan_cache_dir()",
                                "print(len(info.warnings), len(info.repos))",
                                "repo = next(iter(info.repos))",
                                "revision = next(iter(repo.revisions))",
                                "print(repo.repo_id, revision.commit_hash, sorted(revision.refs), len(revision.files))"))
                .isEqualTo("0 1\norg/model " + commit + " ['main'] 7");
        assertThat(server.requests()).isEmpty();

        assertThat(
                        python(
                                "from huggingface_hub import snapshot_download",
                                "print(snapshot_download('org/model'))"))
                .isEqualTo(folder.toString());
        assertThat(folder.resolve("README.md")).exists();
        assertThat(server.requests("cdn")).isEmpty();
    }

    @Test
    void weFindWhatItDownloaded() throws Exception {
        Map<String, byte[]> files = sharded(3, 5000);
        String commit = server.add("org/model", files);
        Path folder =
                Path.of(
                        python(
                                "from huggingface_hub import snapshot_download",
                                "print(snapshot_download('org/model'))"));
        server.forget();

        HubSnapshot online = fetch(hub(server, home), "org/model");
        assertThat(online.folder()).isEqualTo(folder);
        assertThat(server.requests("cdn")).isEmpty();
        HubSnapshot offline = fetch(hub(server, home, "HF_HUB_OFFLINE", "1"), "org/model");
        assertThat(offline.folder()).isEqualTo(folder);
        assertThat(offline.id().revision()).isEqualTo(commit);
        assertThat(offline.sha256()).isEqualTo(online.sha256()).hasSize(3);
    }

    @Test
    void whatItDownloadedInPartIsNoModel() throws Exception {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        python(
                "from huggingface_hub import snapshot_download",
                "snapshot_download('org/model', allow_patterns=['config.json', 'model.safetensors', 'tokenizer.json'])");

        // It has noted that there is a tokenizer_config.json, too.
        assertThat(failure(hub(server, home, "HF_HUB_OFFLINE", "1"), "org/model"))
                .extracting("reason")
                .isEqualTo(Reason.SOURCE_UNAVAILABLE);
        Path folder = fetch(hub(server, home), "org/model").folder();
        assertThat(read(folder.resolve("tokenizer_config.json")))
                .isEqualTo(files.get("tokenizer_config.json"));
    }

    @Test
    void whereThereAreNoLinksBothUnderstandEachOther() throws Exception {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        Path folder =
                fetch(hub(server, home, "HF_HUB_DISABLE_SYMLINKS", "1"), "org/model").folder();
        server.forget();

        assertThat(
                        python(
                                "from huggingface_hub import hf_hub_download",
                                "print(hf_hub_download('org/model', 'model.safetensors'))"))
                .isEqualTo(folder.resolve("model.safetensors").toString());
        assertThat(server.requests("cdn")).isEmpty();
    }

    @Test
    void weRespectItsLocks() throws Exception {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        Path lock =
                home.resolve("hub/.locks/models--org--model")
                        .resolve(FakeHub.sha256(files.get("model.safetensors")) + ".lock");
        Files.createDirectories(lock.getParent());
        Process holder =
                start(
                        "import filelock, time",
                        "with filelock.FileLock(r'" + lock + "'):",
                        "    print('held', flush=True)",
                        "    time.sleep(1.5)");
        try (BufferedReader out = holder.inputReader()) {
            assertThat(out.readLine()).isEqualTo("held");
            long begin = System.nanoTime();

            fetch(hub(server, home), "org/model");

            assertThat((System.nanoTime() - begin) / 1e9).isGreaterThan(1.0);
        }
        assertThat(holder.waitFor()).isZero();
    }

    @Test
    void itRespectsOurs() throws Exception {
        server.add("org/model", model(5000));
        Path lock = home.resolve("hub/.locks/x/y.lock");
        try (HubLock held = HubLock.acquire(lock, () -> false, note -> {})) {
            assertThat(
                            python(
                                    "import filelock",
                                    "try:",
                                    "    filelock.FileLock(r'" + lock + "', timeout=0.2).acquire()",
                                    "    print('got it')",
                                    "except filelock.Timeout:",
                                    "    print('held by somebody else')"))
                    .isEqualTo("held by somebody else");
        }
        assertThat(
                        python(
                                "import filelock",
                                "with filelock.FileLock(r'" + lock + "', timeout=0.2):",
                                "    print('got it')"))
                .isEqualTo("got it");
    }
}
