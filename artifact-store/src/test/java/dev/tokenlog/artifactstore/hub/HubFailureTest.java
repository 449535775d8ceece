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
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Everything that a network, a hub or somebody in between can do to a download.
class HubFailureTest {

    @TempDir Path home;

    private final FakeHub server = new FakeHub();

    @AfterEach
    void close() {
        server.close();
    }

    private Path blobs() {
        return home.resolve("hub/models--org--model/blobs");
    }

    private void assertWhole(HubSnapshot snapshot, Map<String, byte[]> files) {
        for (String name : tree(snapshot.folder())) {
            assertThat(read(snapshot.folder().resolve(name))).as(name).isEqualTo(files.get(name));
        }
        assertThat(snapshot.folder().resolve("model.safetensors")).exists();
        assertThat(tree(blobs())).noneMatch(name -> name.contains("incomplete"));
    }

    @Test
    void aConnectionCutAtAnyByteIsMadeGood() throws IOException {
        Map<String, byte[]> files = model(120);
        server.add("org/model", files);
        int longest = 120 + 260; // and its head
        for (int cut = 0; cut <= longest; cut++) {
            server.cut("/model.safetensors", cut); // the hub's redirect
            server.cut("cdn", cut);
            server.cut("/config.json", cut);
            server.cut("/revision/main", cut);
            Path fresh = Files.createDirectory(home.resolve("cut-" + cut));
            HubSnapshot snapshot = fetch(hub(server, fresh), "org/model");
            assertThat(read(snapshot.folder().resolve("model.safetensors")))
                    .as("cut after %d bytes", cut)
                    .isEqualTo(files.get("model.safetensors"));
            assertThat(read(snapshot.folder().resolve("config.json")))
                    .as("cut after %d bytes", cut)
                    .isEqualTo(files.get("config.json"));
        }
    }

    @Test
    void whatHasArrivedIsNotAskedForAgain() {
        Map<String, byte[]> files = model(100_000);
        server.add("org/model", files);
        server.cut("cdn", 60_000);

        assertWhole(fetch(hub(server, home), "org/model"), files);

        FakeHub.Request rest = server.requests("cdn").getLast();
        assertThat(rest.header("range")).matches("bytes=59\\d\\d\\d-");
        assertThat(rest.header("if-range")).startsWith("\"cdn-");
    }

    @Test
    void aLaterProcessGoesOnWhereAnEarlierOneStopped() throws IOException {
        Map<String, byte[]> files = model(100_000);
        server.add("org/model", files);
        byte[] begun = Arrays.copyOf(files.get("model.safetensors"), 40_000);
        Files.createDirectories(blobs());
        Files.write(
                blobs().resolve(FakeHub.sha256(files.get("model.safetensors")) + ".incomplete"),
                begun);

        assertWhole(fetch(hub(server, home), "org/model"), files);

        assertThat(server.requests("cdn"))
                .singleElement()
                .matches(r -> "bytes=40000-".equals(r.header("range")));
    }

    @Test
    void aBeginningOfSomethingElseIsNoticedAndDownloadedAnew() throws IOException {
        Map<String, byte[]> files = model(10_000);
        server.add("org/model", files);
        Files.createDirectories(blobs());
        Path incomplete =
                blobs().resolve(FakeHub.sha256(files.get("model.safetensors")) + ".incomplete");
        for (int length : new int[] {1, 4000, 10_000, 20_000}) {
            Files.write(incomplete, bytes(99, length));
            assertWhole(fetch(hub(server, home), "org/model"), files);
            Files.delete(blobs().resolve(FakeHub.sha256(files.get("model.safetensors"))));
        }
    }

    @Test
    void aServerThatSendsTheWholeOrAnotherPartIsUnderstood() {
        Map<String, byte[]> files = model(100_000);
        server.add("org/model", files);
        server.cut("cdn", 60_000);
        server.ignoreRange("cdn");
        assertWhole(fetch(hub(server, home), "org/model"), files);

        Path second = home.resolve("second");
        server.cut("cdn", 60_000);
        server.sendAnotherRange("cdn");
        Path folder = fetch(hub(server, second), "org/model").folder();
        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));

        Path third = home.resolve("third");
        server.cut("cdn", 60_000);
        server.answer("cdn", 416);
        folder = fetch(hub(server, third), "org/model").folder();
        assertThat(read(folder.resolve("model.safetensors")))
                .isEqualTo(files.get("model.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 30, 50_000})
    void aConnectionThatFallsSilentIsGivenUpAndMadeAgain(int bytes) {
        Map<String, byte[]> files = model(100_000);
        server.add("org/model", files);
        server.stall("cdn", bytes);
        server.stall("/config.json", Math.min(bytes, 400));

        assertWhole(fetch(hub(server, home), "org/model"), files);
    }

    @Test
    void aSlowConnectionIsNoSilentOne() {
        Map<String, byte[]> files = model(30_000);
        server.add("org/model", files);
        server.slow("cdn", 20_000); // 1.5 s, and the patience is 0.8 s

        assertWhole(fetch(hub(server, home), "org/model"), files);
        assertThat(server.requests("cdn")).hasSize(1);
    }

    @Test
    void aConnectionThatDripsIsGivenUp() {
        server.add("org/model", model(30_000));
        for (int i = 0; i < 10; i++) {
            server.slow("cdn", 100);
        }
        long begin = System.nanoTime();

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining("model.safetensors").hasMessageContaining("kept");
        assertThat((System.nanoTime() - begin) / 1e9)
                .isLessThan(60); // all of it would take five minutes
    }

    @Test
    void aWrongDigestIsRefusedAndNothingIsKept() {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        byte[] other = files.get("model.safetensors").clone();
        other[2500] ^= 1;
        server.sendInstead("cdn", other);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e)
                .hasMessageContaining("model.safetensors")
                .hasMessageContaining(FakeHub.sha256(other))
                .hasMessageContaining(FakeHub.sha256(files.get("model.safetensors")));
        assertThat(tree(blobs())).noneMatch(name -> name.length() > 40);
        assertThat(home.resolve("hub/models--org--model/refs")).doesNotExist();
    }

    @Test
    void aWrongDigestOfASmallFileIsRefusedToo() {
        server.add("org/model", model(50));
        server.sendInstead("/config.json", utf8(HubFixture.CONFIG.replace("64", "65")));

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("config.json").hasMessageContaining("digest");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 10, 4999, 5001, 100_000})
    void aWrongSizeIsRefused(int size) {
        server.add("org/model", model(5000));
        server.sendInstead("cdn", bytes(3, size));

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e)
                .hasMessageContaining("model.safetensors")
                .hasMessageContaining(size + " bytes")
                .hasMessageContaining("5000");
        assertThat(tree(blobs())).noneMatch(name -> name.contains("incomplete"));
    }

    @Test
    void whoMayNotSeeAModelIsToldWhatToDo() {
        server.setToken(TOKEN);
        server.addGated("org/gated", model(50));
        server.addPrivate("org/private", model(50));

        EngineException gated = failure(hub(server, home), "org/gated");
        assertThat(gated.reason()).isEqualTo(Reason.SOURCE_FORBIDDEN);
        assertThat(gated)
                .hasMessageContaining("licence")
                .hasMessageContaining(server.endpoint() + "/org/gated")
                .hasMessageContaining("HF_TOKEN");

        EngineException notAccepted =
                failure(hub(server, home, "HF_TOKEN", "hf_ofSomebodyElse"), "org/gated");
        assertThat(notAccepted.reason()).isEqualTo(Reason.SOURCE_FORBIDDEN);
        assertThat(notAccepted)
                .hasMessageContaining("accept its licence at " + server.endpoint() + "/org/gated")
                .hasMessageNotContaining("hf_ofSomebodyElse");

        EngineException hidden = failure(hub(server, home), "org/private");
        assertThat(hidden.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND);
        assertThat(hidden).hasMessageContaining("private").hasMessageContaining("HF_TOKEN");

        EngineException bad = failure(hub(server, home, "HF_TOKEN", "hf_bad"), "org/private");
        assertThat(bad.reason()).isEqualTo(Reason.SOURCE_FORBIDDEN);
        assertThat(bad)
                .hasMessageContaining("does not accept the token of HF_TOKEN")
                .hasMessageNotContaining("hf_bad");

        assertThat(fetch(hub(server, home, "HF_TOKEN", TOKEN), "org/private").folder()).exists();
    }

    @Test
    void aBareRefusalNamesThePageOfTheLicenceToo() {
        server.add("org/model", model(50));
        server.answer("/revision/main", 403);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_FORBIDDEN);
        assertThat(e).hasMessageContaining(server.endpoint() + "/org/model");
    }

    @Test
    void aHubThatRepeatsTheTokenDoesNotGetItIntoOurMessages() {
        server.add("org/model", model(50));
        server.answer("/revision/main", 403, "X-Error-Message", "no access for Bearer " + TOKEN);

        EngineException e = failure(hub(server, home, "HF_TOKEN", TOKEN), "org/model");

        assertThat(e).hasMessageContaining("no access for").hasMessageNotContaining(TOKEN);
    }

    @Test
    void aTokenInARedirectDoesNotGetIntoOurMessagesEither() {
        server.add("org/model", model(50));
        server.answer("/config.json", 302, "Location", "ftp://" + TOKEN + "/x");
        server.answer("/tokenizer.json", 302, "Location", "gopher://" + TOKEN + "/x");
        server.answer("/tokenizer_config.json", 302, "Location", "http://" + TOKEN + "/x");
        List<HubProgress> heard = new ArrayList<>();

        EngineException e =
                catchThrowableOfType(
                        EngineException.class,
                        () ->
                                hub(server, home, "HF_TOKEN", TOKEN)
                                        .fetch(
                                                HubId.parse("org/model", null),
                                                Hub.Part.MODEL,
                                                heard::add,
                                                () -> false));

        assertThat(e).hasMessageNotContaining(TOKEN);
        assertThat(heard.toString()).doesNotContain(TOKEN);
    }

    @Test
    void aServerThatBeginsAnewEachTimeIsGivenUp() {
        server.add("org/model", model(3 << 20));
        for (int i = 0; i < 20; i++) {
            server.cutAnew("cdn", 2 << 20);
        }

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(server.requests("cdn")).hasSizeLessThan(8);
    }

    @Test
    void whatIsNotThereIsNamed() {
        server.add("org/model", sharded(2, 50));
        assertThat(failure(hub(server, home), "org/absent"))
                .hasMessageContaining("org/absent")
                .hasMessageContaining("knows no such model");
        assertThat(failure(hub(server, home), "org/model@v9"))
                .hasMessageContaining("no revision 'v9'");
        server.answer("/model-00002-of-00002.safetensors", 404, "X-Error-Code", "EntryNotFound");
        EngineException e = failure(hub(server, home), "org/model");
        assertThat(e.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND);
        assertThat(e).hasMessageContaining("no file 'model-00002-of-00002.safetensors'");
    }

    @Test
    void anIndexThatNamesAShardThatIsNotThereIsRefused() {
        Map<String, byte[]> files = sharded(2, 50);
        files.remove("model-00002-of-00002.safetensors");
        server.add("org/model", files);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND);
        assertThat(e).hasMessageContaining("model-00002-of-00002.safetensors");
        assertThat(server.requests("cdn")).isEmpty();
    }

    @Test
    void tooManyRequestsMeansToComeAgainWhenTheHubSays() {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        server.answer("cdn", 429, "Retry-After", "1");
        long begin = System.nanoTime();

        assertWhole(fetch(hub(server, home), "org/model"), files);

        assertThat((System.nanoTime() - begin) / 1e9).isGreaterThanOrEqualTo(1.0);
        assertThat(server.requests("cdn")).hasSize(2);
    }

    @Test
    void aHubThatAsksForTooLongAPauseIsNotWaitedFor() {
        server.add("org/model", model(50));
        server.answer("/revision/main", 429, "Retry-After", "3600");

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining("429").hasMessageContaining("3600 s");
    }

    @Test
    void aPauseMayBeSaidAsADate() {
        Instant now = Instant.parse("2026-01-02T03:04:05Z");
        assertThat(HubErrors.retryAfter("Fri, 02 Jan 2026 03:05:05 GMT", now))
                .contains(Duration.ofMinutes(1));
        assertThat(HubErrors.retryAfter("Fri, 02 Jan 2026 03:00:00 GMT", now))
                .contains(Duration.ZERO);
        assertThat(HubErrors.retryAfter("7", now)).contains(Duration.ofSeconds(7));
        assertThat(HubErrors.retryAfter("soon", now)).isEmpty();
        assertThat(HubErrors.retryAfter(null, now)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {500, 502, 503, 504, 408})
    void aHubInTroubleIsAskedAgain(int status) {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        server.answer("/revision/main", status);
        server.answer("/model.safetensors", status);
        server.answer("cdn", status);
        server.answer("cdn", status);

        assertWhole(fetch(hub(server, home), "org/model"), files);
    }

    @Test
    void aHubThatStaysInTroubleIsGivenUp() {
        server.add("org/model", model(50));
        for (int i = 0; i < 10; i++) {
            server.answer("/revision/main", 503);
        }

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining("503").hasMessageContaining("4 attempts");
        assertThat(server.requests()).hasSize(4);
    }

    @Test
    void aSignedLinkThatHasRunOutIsAskedForAgain() {
        Map<String, byte[]> files = model(5000);
        server.add("org/model", files);
        server.answer("cdn", 403);

        assertWhole(fetch(hub(server, home), "org/model"), files);

        assertThat(server.requests("hub"))
                .filteredOn(r -> r.path().endsWith("/model.safetensors"))
                .hasSize(2);
    }

    @Test
    void noMessageHoldsASignedLink() {
        server.add("org/model", model(5000));
        for (int i = 0; i < 10; i++) {
            server.stall("cdn", 0);
        }

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageNotContaining("signature");
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            assertThat(cause.toString()).doesNotContain("secret-of-the-link");
        }
    }

    @Test
    void nobodyAtTheEndpointIsSaid() {
        Hub hub = hub(server, home);
        server.close();

        EngineException e = failure(hub, "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNAVAILABLE);
        assertThat(e).hasMessageContaining(server.endpoint()).hasMessageContaining("no connection");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x",
                "/etc/passwd",
                "a/../../x",
                "a//b",
                "C:/x",
                "a\\\\..\\\\x",
                "",
                "./x",
                "a/."
            })
    void aFileOutsideTheFolderIsRefusedByName(String path) {
        server.add("org/model", model(50));
        server.alsoList(path);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("outside the model's folder");
        assertThat(home.resolve("hub")).doesNotExist();
    }

    @Test
    void aListWithAFileOutsideTheFolderIsRefused() {
        Map<String, byte[]> files = model(50);
        files.put("../../escaped.json", utf8("{}"));
        server.add("org/model", files);

        assertThat(failure(hub(server, home), "org/model"))
                .hasMessageContaining("'../../escaped.json'");
    }

    @Test
    void anIndexThatPointsOutsideTheFolderIsRefused() {
        Map<String, byte[]> files = model(50);
        files.remove("model.safetensors");
        files.put(
                "model.safetensors.index.json",
                utf8("{\"weight_map\":{\"t\":\"../../../x.safetensors\"}}"));
        server.add("org/model", files);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("'../../../x.safetensors'");
    }

    @Test
    void redirectsInACircleEnd() {
        server.add("org/model", model(50));
        for (int i = 0; i < 20; i++) {
            server.answer("/config.json", 302, "Location", "config.json?again=" + i);
        }

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("redirects").hasMessageContaining("config.json");
        assertThat(server.requests("hub"))
                .filteredOn(r -> r.path().endsWith("config.json"))
                .hasSizeBetween(10, 12);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "file:///etc/passwd",
                "ftp://example.org/x",
                "http://user:password@127.0.0.1/x",
                "http:///x",
                "::not an address::"
            })
    void aRedirectAwayFromTheWebIsRefused(String location) {
        server.add("org/model", model(50));
        server.answer("/config.json", 302, "Location", location);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("redirect").hasMessageNotContaining("password");
    }

    @ParameterizedTest
    @CsvSource({
        "https://hub.example/a, http://cdn.example/b, false",
        "https://hub.example/a, https://cdn.example/b, true",
        "http://hub.example/a, https://cdn.example/b, true",
        "https://hub.example/a, /b, true",
        "https://hub.example/a, //cdn.example/b, true"
    })
    void aRedirectNeverGivesUpEncryption(String from, String to, boolean followed) {
        if (followed) {
            assertThat(HubTransport.redirected(URI.create(from), to).getHost()).isNotNull();
        } else {
            assertThatThrownBy(() -> HubTransport.redirected(URI.create(from), to))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("from https to http");
        }
    }

    @Test
    void weightsThatAreProgramsAreRefusedBeforeAnythingIsDownloaded() {
        Map<String, byte[]> files = model(50);
        files.remove("model.safetensors");
        files.put("pytorch_model.bin", bytes(1, 50));
        server.add("org/model", files);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED);
        assertThat(e)
                .hasMessageContaining("'pytorch_model.bin'")
                .hasMessageContaining("model.safetensors");
        assertThat(server.requests()).hasSize(2);
    }

    @Test
    void whatTheEngineDoesNotRunIsRefusedBeforeTheWeightsAreDownloaded() {
        Map<String, byte[]> files = model(5000);
        files.put("config.json", utf8("{\"model_type\":\"frobnicator\"}"));
        server.add("org/model", files);

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED);
        assertThat(e).hasMessageContaining("frobnicator");
        assertThat(server.requests("cdn")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"not json", "{", "[]", "{\"sha\":\"main\"}", "{\"sha\":7}"})
    void anAnswerThatMakesNoSenseIsRefused(String json) {
        server.add("org/model", model(50));
        server.sendInstead("/revision/main", utf8(json));

        EngineException e = failure(hub(server, home), "org/model");

        assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(e).hasMessageContaining("hub's answer");
    }
}
