package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.FakeHub;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Models of the hub through the command line and the topics, with a hub of our own that serves the
/// bundled model.
class HubIT {

    private static final String TOKEN = "hf_SecretThatNobodyMayRead";

    @TempDir private static Path folder;

    private static FakeHub hub;
    private static Platform platform;

    @BeforeAll
    static void start() {
        hub = new FakeHub();
        hub.setToken(TOKEN);
        platform = up();
    }

    @AfterAll
    static void end() throws InterruptedException {
        platform.close();
        hub.close();
    }

    @BeforeEach
    void forget() {
        hub.setRate(0);
        hub.forget();
    }

    private static Platform up() {
        return Platform.start(
                folder.resolve("data"),
                Map.of(
                        "HF_ENDPOINT", hub.endpoint(),
                        "HF_HOME", folder.resolve("hf").toString(),
                        "HF_TOKEN", TOKEN));
    }

    private static Map<String, byte[]> demoModel() throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> paths = Files.list(Checkout.demoModel())) {
            for (Path path : paths.toList()) {
                files.put(path.getFileName().toString(), Files.readAllBytes(path));
            }
        }
        return files;
    }

    /// Events of the conversions of a source, of one type, in the order of the log.
    private static List<ObjectNode> events(String type, String source) {
        List<ObjectNode> all = TopicDump.of(platform.bootstrap(), "conversion-events").events();
        List<String> ids =
                all.stream()
                        .filter(e -> e.path("source").asText().startsWith("hub:" + source + "@"))
                        .map(e -> e.path("conversion_id").asText())
                        .distinct()
                        .toList();
        return all.stream()
                .filter(e -> e.path("type").asText().equals(type))
                .filter(e -> ids.contains(e.path("conversion_id").asText()))
                .toList();
    }

    @Test
    void aGatedModelOfTheHubIsConvertedValidatedAndAnswersAndNobodyLearnsTheToken()
            throws Exception {
        String commit = hub.addGated("org/Demo-5M", demoModel());

        CommandLine.Result convert = platform.tokenlog("convert", "org/Demo-5M", "--bits", "8");

        assertThat(convert.status()).as(convert.toString()).isZero();
        assertThat(convert.err()).contains("there is no folder 'org/Demo-5M'");
        assertThat(convert.out()).contains("hub:org/Demo-5M@" + commit).contains("PASS");
        String source = "hub:org/Demo-5M@" + commit;
        assertThat(events("SourceDownloading", "org/Demo-5M"))
                .isNotEmpty()
                .last()
                .satisfies(e ->
                        assertThat(e.path("bytes_done").asLong())
                                .isEqualTo(e.path("bytes_total").asLong())
                                .isGreaterThan(10_000_000));
        ObjectNode resolved = events("SourceResolved", "org/Demo-5M").getFirst();
        assertThat(resolved.path("location").asText()).isEqualTo(source);
        assertThat(resolved.path("repository").asText()).isEqualTo("org/Demo-5M");
        assertThat(resolved.path("revision").asText()).isEqualTo(commit);
        ObjectNode manifest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "demo-5m")
                        .getFirst();
        assertThat(manifest.path("source").asText()).isEqualTo(source);
        assertThat(Path.of(manifest.path("location").asText()).resolve("manifest.json"))
                .content()
                .contains("\"org/Demo-5M\"", commit);

        // Conversion and validation together have downloaded the weights once.
        assertThat(hub.requests("cdn")).hasSize(1);
        CommandLine.Result answer =
                platform.tokenlog(
                        "generate", "demo-5m", "What is a partition?", "--temperature", "0");
        assertThat(answer.status()).as(answer.toString()).isZero();
        assertThat(answer.out()).containsIgnoringCase("partition");
        CommandLine.Result audit = platform.tokenlog("audit", "demo-5m");
        assertThat(audit.out()).contains(source);

        // The same digest without a broker, out of the same cache.
        hub.forget();
        CommandLine.Result quantize =
                platformless("quantize", "org/Demo-5M", "--bits", "8", "--out", "store");
        assertThat(quantize.status()).as(quantize.toString()).isZero();
        assertThat(quantize.out()).contains(manifest.path("model_digest").asText());
        assertThat(hub.requests()).isEmpty();

        CommandLine.Result doctor = platform.tokenlog("doctor");
        assertThat(doctor.out()).contains("present, of HF_TOKEN").contains(hub.endpoint());
        assertThat(hub.requests("cdn")).noneMatch(r -> r.toString().contains(TOKEN));
        assertThat(platform.log() + convert + answer + audit + quantize + doctor)
                .doesNotContain(TOKEN);
        // A running broker renames files while they are listed.
        platform.stop();
        try {
            assertThat(filesThatHold(TOKEN)).isEmpty();
        } finally {
            platform = up();
        }
    }

    private CommandLine.Result platformless(String... arguments) {
        List<String> command = new java.util.ArrayList<>();
        command.add(Checkout.root().resolve("tokenlog").toString());
        command.addAll(List.of(arguments));
        return CommandLine.run(
                folder,
                Map.of(
                        "TOKENLOG_NO_BUILD",
                        "1",
                        "HF_ENDPOINT",
                        hub.endpoint(),
                        "HF_HOME",
                        folder.resolve("hf").toString(),
                        "HF_TOKEN",
                        TOKEN),
                Duration.ofMinutes(1),
                command);
    }

    /// Below the platform's folder, the log's segments included, and the cache.
    private List<Path> filesThatHold(String text) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> {
                        try {
                            return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1)
                                    .contains(text);
                        } catch (IOException e) {
                            throw new java.io.UncheckedIOException(e);
                        }
                    })
                    .toList();
        }
    }

    @Test
    void whatCannotBeDownloadedHasItsCodeAndTheOthersAreConvertedAllTheSame() throws Exception {
        String gated = hub.addGated("org/Gated", demoModel());
        hub.answer(
                "/org/Gated/resolve/" + gated + "/config.json", 403, "X-Error-Code", "GatedRepo");
        Map<String, byte[]> pickled = demoModel();
        pickled.put("pytorch_model.bin", pickled.remove("model.safetensors"));
        hub.add("org/Pickled", pickled);

        CommandLine.Result all =
                platform.tokenlog(
                        "convert", "org/Absent", "org/Gated", "org/Pickled", "demo", "--bits", "8");

        assertThat(all.status()).as(all.toString()).isEqualTo(1);
        assertThat(all.err())
                .contains("SOURCE_NOT_FOUND")
                .contains("accept its licence at " + hub.endpoint() + "/org/Gated")
                .contains("'pytorch_model.bin'")
                .doesNotContain(TOKEN);
        assertThat(Stream.of("org/Absent", "org/Gated", "org/Pickled"))
                .extracting(s -> events("ConversionFailed", s).getFirst().path("code").asText())
                .containsExactly("SOURCE_NOT_FOUND", "SOURCE_FORBIDDEN", "UNSUPPORTED");
        assertThat(all.out().lines().toList().reversed().subList(0, 4))
                .satisfiesExactly(
                        line -> assertThat(line).startsWith("demo").contains("PASS"),
                        line -> assertThat(line).startsWith("org/Pickled").contains("UNSUPPORTED"),
                        line ->
                                assertThat(line)
                                        .startsWith("org/Gated")
                                        .contains("SOURCE_FORBIDDEN"),
                        line ->
                                assertThat(line)
                                        .startsWith("org/Absent")
                                        .contains("SOURCE_NOT_FOUND"));
    }

    @Test
    void aDownloadSurvivesKillMinusNineAndACancelEndsIt() throws Exception {
        Map<String, byte[]> files = demoModel();
        hub.add("org/Demo", files);
        hub.setRate(1_500_000); // 7 s
        Path incomplete =
                folder.resolve("hf/hub/models--org--Demo/blobs")
                        .resolve(FakeHub.sha256(files.get("model.safetensors")) + ".incomplete");
        Platform first = platform;
        CompletableFuture.runAsync(() -> first.tokenlog("convert", "org/Demo", "--timeout", "20"));
        await().atMost(Duration.ofSeconds(30))
                .until(() -> incomplete.toFile().length() > 2_000_000);
        first.kill();
        long arrived = Files.size(incomplete);
        assertThat(arrived).isLessThan(files.get("model.safetensors").length);
        hub.forget();

        platform = up();
        String id =
                events("ConversionAccepted", "org/Demo").getFirst().path("conversion_id").asText();
        await("a download that goes on")
                .atMost(Duration.ofSeconds(30))
                .until(() -> !hub.requests("cdn").isEmpty());
        assertThat(hub.requests("cdn").getFirst().header("range"))
                .isEqualTo("bytes=" + arrived + "-");
        await("the conversion's end")
                .atMost(Duration.ofSeconds(60))
                .until(() -> !events("ConversionFinished", "org/Demo").isEmpty());
        assertThat(events("ConversionResumed", "org/Demo")).hasSize(1);
        assertThat(
                        events("ConversionFinished", "org/Demo")
                                .getFirst()
                                .path("conversion_id")
                                .asText())
                .isEqualTo(id);

        files.put("model.safetensors", different(files.get("model.safetensors")));
        hub.add("org/Other", files);
        hub.setRate(150_000); // more than a minute
        CompletableFuture<CommandLine.Result> following =
                CompletableFuture.supplyAsync(() -> platform.tokenlog("convert", "org/Other"));
        await("a download under way")
                .atMost(Duration.ofSeconds(30))
                .until(() -> !events("SourceDownloading", "org/Other").isEmpty());
        String other =
                events("ConversionAccepted", "org/Other").getFirst().path("conversion_id").asText();
        assertThat(platform.tokenlog("cancel", other).status()).isZero();
        CommandLine.Result followed = following.get();
        assertThat(followed.status()).isEqualTo(1);
        assertThat(followed.err()).contains("cancelled");
        assertThat(followed.err()).contains("  fetch");
        assertThat(events("ConversionCancelled", "org/Other")).hasSize(1);
    }

    /// Other weights: the last element of the last tensor.
    private static byte[] different(byte[] safetensors) {
        byte[] other = safetensors.clone();
        other[other.length - 1] ^= 1;
        return other;
    }
}
