package dev.tokenlog.artifactstore.hub;

import static dev.tokenlog.artifactstore.hub.HubFixture.TOKEN;
import static dev.tokenlog.artifactstore.hub.HubFixture.bytes;
import static dev.tokenlog.artifactstore.hub.HubFixture.failure;
import static dev.tokenlog.artifactstore.hub.HubFixture.fetch;
import static dev.tokenlog.artifactstore.hub.HubFixture.hub;
import static dev.tokenlog.artifactstore.hub.HubFixture.model;
import static dev.tokenlog.artifactstore.hub.HubFixture.read;
import static dev.tokenlog.artifactstore.hub.HubFixture.sharded;
import static dev.tokenlog.artifactstore.hub.HubFixture.tree;
import static dev.tokenlog.artifactstore.hub.HubFixture.utf8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a download leaves in the cache, who gets the token, and what is refused.
class HubTest {

    @TempDir Path home;

    private final FakeHub server = new FakeHub();

    @AfterEach
    void close() {
        server.close();
    }

    private Path repository() {
        return home.resolve("hub/models--org--model");
    }

    @Test
    void aModelLiesInTheCacheAsTheHubsOwnClientKeepsIt() throws Exception {
        Map<String, byte[]> files = model(5000);
        String commit = server.add("org/model", files);

        HubSnapshot snapshot = fetch(hub(server, home), "org/model");

        String sha256 = FakeHub.sha256(files.get("model.safetensors"));
        Path folder = repository().resolve("snapshots").resolve(commit);
        assertThat(snapshot.folder()).isEqualTo(folder);
        assertThat(snapshot.id()).hasToString("hub:org/model@" + commit);
        assertThat(snapshot.sha256()).containsExactly(Map.entry("model.safetensors", sha256));
        assertThat(repository().resolve("refs/main")).hasContent(commit);
        assertThat(tree(folder))
                .containsExactly(
                        "config.json",
                        "model.safetensors",
                        "tokenizer.json",
                        "tokenizer_config.json");
        assertThat(Files.readSymbolicLink(folder.resolve("model.safetensors")))
                .isEqualTo(Path.of("../../blobs/" + sha256));
        assertThat(Files.readSymbolicLink(folder.resolve("config.json")))
                .isEqualTo(Path.of("../../blobs/" + FakeHub.oid(files.get("config.json"))));
        for (String name : tree(folder)) {
            assertThat(read(folder.resolve(name))).isEqualTo(files.get(name));
        }
        assertThat(tree(repository().resolve("blobs")))
                .hasSize(4)
                .noneMatch(name -> name.contains("incomplete"));
    }

    @Test
    void furtherChatTemplatesComeWithTheTokenizer() {
        Map<String, byte[]> files = model(100);
        files.put("additional_chat_templates/tool_use.jinja", utf8("{{ tools[0].name }}"));
        files.put("additional_chat_templates/deeper/other.jinja", utf8("not read"));
        files.put("images/tool_use.jinja", utf8("not read"));
        server.add("org/model", files);

        HubSnapshot snapshot =
                hub(server, home)
                        .fetch(
                                HubId.parse("hub:org/model", null),
                                Hub.Part.TOKENIZER,
                                progress -> {},
                                () -> false);

        assertThat(tree(snapshot.folder()))
                .containsExactly(
                        "additional_chat_templates/tool_use.jinja",
                        "config.json",
                        "tokenizer.json",
                        "tokenizer_config.json");
        assertThat(snapshot.folder().resolve("additional_chat_templates/tool_use.jinja"))
                .hasContent("{{ tools[0].name }}");
    }

    @Test
    void whatIsInTheCacheIsNotDownloadedAgain() {
        server.add("org/model", model(5000));
        fetch(hub(server, home), "org/model");
        server.forget();

        fetch(hub(server, home), "org/model");

        assertThat(server.requests()).hasSize(2).allMatch(r -> r.path().startsWith("/api/"));
    }

    @Test
    void aCommitInTheCacheNeedsNoHubAtAll() {
        String commit = server.add("org/model", model(100));
        Path folder = fetch(hub(server, home), "org/model").folder();
        server.close();

        HubSnapshot snapshot =
                hub(server, home)
                        .cachedOrFetch(
                                HubId.parse("hub:org/model@" + commit, null),
                                Hub.Part.MODEL,
                                progress -> {},
                                () -> false);

        assertThat(snapshot.folder()).isEqualTo(folder);
        assertThat(snapshot.fromNetwork()).isFalse();
        assertThat(snapshot.sha256()).containsKey("model.safetensors");
    }

    @Test
    void offlineTheCacheHasToDo() {
        String commit = server.add("org/model", model(100));
        fetch(hub(server, home), "org/model");
        server.add("org/other", model(100));
        server.forget();
        Hub offline = hub(server, home, "HF_HUB_OFFLINE", "1");

        assertThat(fetch(offline, "org/model").id().revision()).isEqualTo(commit);
        EngineException e = failure(offline, "org/other");
        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining("org/other").hasMessageContaining("HF_HUB_OFFLINE");
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void halfAModelInTheCacheIsNoModel() throws Exception {
        String commit = server.add("org/model", sharded(3, 50));
        Path folder = fetch(hub(server, home), "org/model").folder();
        Files.delete(folder.resolve("model-00002-of-00003.safetensors"));

        EngineException e =
                failure(hub(server, home, "HF_HUB_OFFLINE", "1"), "org/model@" + commit);

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining("model-00002-of-00003.safetensors");
        assertThat(tree(fetch(hub(server, home), "org/model").folder()))
                .contains("model-00002-of-00003.safetensors");
    }

    @Test
    void aBranchThatMovedOnSharesWhatStayedTheSame() {
        String old = server.add("org/model", model(5000));
        fetch(hub(server, home), "org/model");
        Map<String, byte[]> files = model(5000);
        files.put("tokenizer_config.json", utf8("{\"changed\":true}"));
        String commit = server.add("org/model", files);
        server.forget();

        HubSnapshot snapshot = fetch(hub(server, home), "org/model");

        assertThat(commit).isNotEqualTo(old);
        assertThat(snapshot.id().revision()).isEqualTo(commit);
        assertThat(repository().resolve("refs/main")).hasContent(commit);
        assertThat(server.requests("cdn")).isEmpty();
        assertThat(read(snapshot.folder().resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
    }

    @Test
    void shardsComeInParallel() throws Exception {
        Map<String, byte[]> files = sharded(3, 200_000);
        server.add("org/model", files);
        server.setRate(200_000);

        Path folder = fetch(hub(server, home), "org/model").folder();

        assertThat(server.mostDownloadsAtOnce()).isBetween(2, HubFixture.QUICK.connections());
        assertThat(read(folder.resolve("model-00003-of-00003.safetensors")))
                .isEqualTo(files.get("model-00003-of-00003.safetensors"));
    }

    @Test
    void theTokenIsSentToTheHubAndNowhereElse() {
        server.addGated("org/model", model(5000));
        server.setToken(TOKEN);

        fetch(hub(server, home, "HF_TOKEN", TOKEN), "org/model");

        assertThat(server.requests("hub"))
                .allMatch(r -> ("Bearer " + TOKEN).equals(r.header("authorization")));
        assertThat(server.requests("cdn"))
                .isNotEmpty()
                .noneMatch(r -> r.headers().containsKey("authorization"))
                .noneMatch(r -> r.toString().contains(TOKEN));
    }

    @Test
    void aRedirectOnTheHubItselfKeepsTheToken() {
        server.setToken(TOKEN);
        server.addGated("org/renamed", model(100));
        server.addGated("org/old", model(100));
        server.answer(
                "hub/api/models/org/old/revision/main",
                307,
                "Location",
                "/api/models/org/renamed/revision/main");

        fetch(hub(server, home, "HF_TOKEN", TOKEN), "org/old");

        assertThat(server.requests("hub"))
                .anyMatch(r -> r.path().contains("org/renamed"))
                .allMatch(r -> ("Bearer " + TOKEN).equals(r.header("authorization")));
    }

    @Test
    void onlyTheTokenizerIsDownloadedWhereNothingElseIsWanted() {
        server.add("org/model", model(5000));

        HubSnapshot snapshot =
                hub(server, home)
                        .fetch(
                                HubId.parse("org/model", null),
                                Hub.Part.TOKENIZER,
                                progress -> {},
                                () -> false);

        assertThat(tree(snapshot.folder())).doesNotContain("model.safetensors");
        assertThat(hub(server, home).cached(HubId.parse("org/model", null), Hub.Part.MODEL))
                .isEmpty();
        assertThat(tree(fetch(hub(server, home), "org/model").folder()))
                .contains("model.safetensors");
    }

    @Test
    void aProxyIsGoneThrough() {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        Hub hub =
                hub(
                        server,
                        home,
                        "HF_ENDPOINT",
                        "http://hub.invalid",
                        "HTTP_PROXY",
                        server.endpoint());

        Path folder = fetch(hub, "org/model").folder();

        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(server.requests("hub")).allMatch(r -> "hub.invalid".equals(r.header("host")));
    }

    @Test
    void oneGgufFileOfMany() {
        server.add(
                "org/gguf",
                Map.of(
                        "README.md", utf8("# files"),
                        "x.Q4_0.gguf", bytes(1, 3000),
                        "x.Q8_0.gguf", bytes(2, 6000)));

        HubSnapshot snapshot = fetch(hub(server, home), "org/gguf#x.Q8_0.gguf");

        assertThat(snapshot.path()).isEqualTo(snapshot.folder().resolve("x.Q8_0.gguf"));
        assertThat(read(snapshot.path())).isEqualTo(bytes(2, 6000));
        assertThat(snapshot.sha256()).containsOnlyKeys("x.Q8_0.gguf");
        assertThat(tree(snapshot.folder())).containsExactly("x.Q8_0.gguf");
        Hub offline = hub(server, home, "HF_HUB_OFFLINE", "1");
        assertThat(fetch(offline, "org/gguf#x.Q8_0.gguf").path()).isEqualTo(snapshot.path());
        assertThat(HubFixture.failure(offline, "org/gguf#x.Q4_0.gguf"))
                .hasMessageContaining("'x.Q4_0.gguf' is missing");

        assertThat(HubFixture.failure(hub(server, home), "org/gguf"))
                .hasMessageContaining("--file")
                .hasMessageContaining("[x.Q4_0.gguf, x.Q8_0.gguf]");
        assertThat(HubFixture.failure(hub(server, home), "org/gguf#y.gguf"))
                .hasMessageContaining("no file 'y.gguf'")
                .hasMessageContaining("x.Q4_0.gguf");
    }

    @Test
    void aListOfManyPagesIsReadToItsEnd() {
        server.add("org/model", sharded(5, 30));
        server.listInPages();

        assertThat(tree(fetch(hub(server, home), "org/model").folder()))
                .contains("model-00005-of-00005.safetensors", "tokenizer.json");
    }

    @Test
    void progressIsMonotoneAndEndsAtTheWhole() {
        server.add("org/model", model(300_000));
        server.setRate(400_000);
        List<HubProgress> heard = new ArrayList<>();

        hub(server, home)
                .fetch(HubId.parse("org/model", null), Hub.Part.MODEL, heard::add, () -> false);

        assertThat(heard).hasSizeGreaterThan(2);
        assertThat(heard).extracting(HubProgress::bytesDone).isSorted();
        assertThat(heard).anyMatch(p -> p.bytesPerSecond() > 50_000);
        HubProgress last = heard.getLast();
        assertThat(last.bytesDone()).isEqualTo(last.bytesTotal()).isGreaterThan(300_000);
        assertThat(last.filesDone()).isEqualTo(last.files()).isEqualTo(4);
    }

    @Test
    void aStoppedDownloadEndsSoonAndTheNextOneGoesOn() {
        Map<String, byte[]> files = model(400_000);
        server.add("org/model", files);
        server.setRate(200_000);
        AtomicBoolean stop = new AtomicBoolean();

        assertThatThrownBy(() ->
                        hub(server, home)
                                .fetch(
                                        HubId.parse("org/model", null),
                                        Hub.Part.MODEL,
                                        p -> stop.set(p.bytesDone() > 50_000),
                                        stop::get))
                .isInstanceOf(CancellationException.class);

        assertThat(repository().resolve("refs")).doesNotExist();
        server.setRate(0);
        server.forget();
        Path folder = fetch(hub(server, home), "org/model").folder();
        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(server.requests("cdn")).singleElement().matches(r -> r.header("range") != null);
    }

    @Test
    void aStopIsHeardWhileNothingComes() {
        server.add("org/model", model(5000));
        server.stall("hub", 0);
        Hub patient =
                new Hub(
                        HubFixture.settings(server, home)
                                .withPatience(
                                        HubFixture.QUICK.withSilence(
                                                java.time.Duration.ofMinutes(1))));
        long begin = System.nanoTime();

        assertThatThrownBy(() ->
                        patient.fetch(
                                HubId.parse("org/model", null),
                                Hub.Part.MODEL,
                                p -> {},
                                () -> System.nanoTime() - begin > 300_000_000L))
                .isInstanceOf(CancellationException.class);

        assertThat((System.nanoTime() - begin) / 1e9).isLessThan(20);
    }

    @Test
    void twoDownloadsAtOnceShareTheWork() throws Exception {
        server.add("org/model", model(300_000));
        server.setRate(600_000);
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<HubSnapshot> first =
                CompletableFuture.supplyAsync(() ->
                        hub(server, home)
                                .fetch(
                                        HubId.parse("org/model", null),
                                        Hub.Part.MODEL,
                                        p -> {
                                            if (p.bytesDone() > 1000) {
                                                begun.countDown();
                                            }
                                        },
                                        () -> false));
        begun.await();

        HubSnapshot second = fetch(hub(server, home), "org/model");

        assertThat(first.get().folder()).isEqualTo(second.folder());
        assertThat(server.requests("cdn")).hasSize(1);
    }

    @Test
    void withoutLinksTheSnapshotHoldsTheFiles() {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        Hub hub = hub(server, home, "HF_HUB_DISABLE_SYMLINKS", "1");

        Path weights = fetch(hub, "org/model").folder().resolve("model.safetensors");

        assertThat(Files.isSymbolicLink(weights)).isFalse();
        assertThat(read(weights)).isEqualTo(files.get("model.safetensors"));
        server.forget();
        fetch(hub, "org/model");
        assertThat(server.requests("cdn")).isEmpty();
    }

    @Test
    void aFileThatLostItsEndInTheCacheIsDownloadedAgain() throws Exception {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        Path folder = fetch(hub(server, home), "org/model").folder();
        Files.write(folder.resolve("model.safetensors"), bytes(1, 10));
        Files.writeString(folder.resolve("config.json"), HubFixture.CONFIG.replace("64", "65"));

        fetch(hub(server, home), "org/model");

        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
        assertThat(read(folder.resolve("config.json"))).isEqualTo(files.get("config.json"));
    }

    @Test
    void aDamagedLargeFileIsNamedByWhoeverReadsItToTheEnd() {
        server.add("org/model", model(5000));
        HubSnapshot snapshot = fetch(hub(server, home), "org/model");
        String stated = snapshot.sha256().get("model.safetensors");

        snapshot.requireDigest("model.safetensors", stated);
        snapshot.requireDigest("config.json", "of which nothing is stated");
        assertThatThrownBy(() -> snapshot.requireDigest("model.safetensors", "0".repeat(64)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("blobs/" + stated)
                .hasMessageContaining("damaged");
    }
}
