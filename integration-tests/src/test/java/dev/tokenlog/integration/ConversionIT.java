package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Conversions, good and bad, through the command line and the topics.
class ConversionIT {

    @TempDir private static Path folder;

    private static Platform platform;

    @BeforeAll
    static void start() {
        platform = Platform.start(folder.resolve("data"));
    }

    @AfterAll
    static void end() throws InterruptedException {
        platform.close();
    }

    @Test
    void aConversionIsToldTensorByTensorAndEndsWithAVerdict() {
        DemoModel.convert(platform, "whole", 4);
        List<ObjectNode> finished =
                TopicDump.of(platform.bootstrap(), "conversion-events").events("model_id", "whole");
        String conversion =
                finished.stream()
                        .filter(event -> event.path("type").asText().equals("ConversionFinished"))
                        .findFirst()
                        .orElseThrow()
                        .path("conversion_id")
                        .asText();
        List<ObjectNode> events =
                TopicDump.of(platform.bootstrap(), "conversion-events")
                        .events("conversion_id", conversion);
        List<ObjectNode> tensors =
                events.stream()
                        .filter(event -> event.path("type").asText().equals("TensorConverted"))
                        .toList();

        // 6 layers of 7 matrices and 2 norms, an embedding (tied) and the last norm.
        assertThat(tensors).hasSize(6 * 9 + 2);
        assertThat(tensors).extracting(event -> event.path("number").asInt()).isSorted();
        assertThat(events.getFirst().path("type").asText()).isEqualTo("ConversionAccepted");
        assertThat(events.getLast().path("type").asText()).isEqualTo("ConversionFinished");
        List<ObjectNode> verdicts =
                TopicDump.of(platform.bootstrap(), "accuracy-metrics").events("model_id", "whole");
        assertThat(verdicts.getLast().path("type").asText()).isEqualTo("ValidationFinished");
        assertThat(verdicts.getLast().path("verdict").asText()).isEqualTo("PASS");
        assertThat(platform.tokenlog("audit", conversion).out())
                .contains("ConversionAccepted")
                .contains("TensorConverted")
                .contains("ManifestPublished");
        assertThat(platform.tokenlog("audit", "whole").out())
                .contains("ValidationFinished")
                .contains("ModelServing");
    }

    @Test
    void aMissingFolderIsRefusedByName() {
        CommandLine.Result result =
                platform.tokenlog("convert", folder.resolve("absent").toString(), "--bits", "4");

        assertThat(result.status()).as(result.toString()).isNotZero();
        assertThat(result.err()).contains("SOURCE_NOT_FOUND").contains("absent");
    }

    @Test
    void aTruncatedFileIsRefusedByNameAndThePartitionGoesOn() throws IOException {
        Path broken = copyOfDemoModel("broken");
        try (RandomAccessFile file =
                new RandomAccessFile(broken.resolve("model.safetensors").toFile(), "rw")) {
            file.setLength(file.length() - 1000);
        }
        CommandLine.Result result = platform.tokenlog("convert", broken.toString(), "--bits", "4");

        assertThat(result.status()).as(result.toString()).isNotZero();
        assertThat(result.err()).contains("SOURCE_UNREADABLE").contains("model.safetensors");
        DemoModel.convert(platform, "after-a-truncated-one", 8);
    }

    /// What somebody has made of a model's folder, how the conversion ends, and what it names.
    private record Hostile(String name, Spoiling spoiling, String code, String named) {}

    private interface Spoiling {
        void spoil(Path folder) throws IOException;
    }

    @Test
    void hostileFoldersEndWithTheirCodeAndThePartitionGoesOn() throws IOException {
        List<Hostile> folders =
                List.of(
                        new Hostile(
                                "zero-field",
                                ConversionIT::setFieldToZero,
                                "SOURCE_UNREADABLE",
                                "num_attention_heads"),
                        new Hostile(
                                "overlapping",
                                ConversionIT::overlap,
                                "SOURCE_UNREADABLE",
                                "model.safetensors: tensor '"),
                        new Hostile(
                                "missing-shard",
                                ConversionIT::nameMissingShard,
                                "SOURCE_NOT_FOUND",
                                "model-00001-of-00002.safetensors"),
                        new Hostile(
                                "extra-shard",
                                model ->
                                        Files.copy(
                                                model.resolve("model.safetensors"),
                                                model.resolve("model-00002-of-00002.safetensors")),
                                "SOURCE_UNREADABLE",
                                "model-00002-of-00002.safetensors"));
        for (Hostile hostile : folders) {
            Path model = copyOfDemoModel(hostile.name());
            hostile.spoiling().spoil(model);

            CommandLine.Result result = platform.tokenlog("convert", model.toString());

            assertThat(result.status()).as(result.toString()).isNotZero();
            assertThat(result.err()).contains(hostile.code()).contains(hostile.named());
        }
        assertThat(TopicDump.of(platform.bootstrap(), "conversion-events").records())
                .filteredOn(record ->
                        new String(record.value(), StandardCharsets.UTF_8)
                                .contains("\"ConversionFailed\""))
                .extracting(record -> new String(record.value(), StandardCharsets.UTF_8))
                .anyMatch(event -> event.contains("num_attention_heads"))
                .noneMatch(event -> event.contains("\"INTERNAL\""));
        DemoModel.convert(platform, "after-hostile-ones", 8);
    }

    private static void setFieldToZero(Path model) throws IOException {
        Path config = model.resolve("config.json");
        String text = Files.readString(config);
        String spoiled =
                text.replaceFirst(
                        "\"num_attention_heads\"\\s*:\\s*\\d+", "\"num_attention_heads\": 0");
        assertThat(spoiled).isNotEqualTo(text);
        Files.writeString(config, spoiled);
    }

    /// The second tensor begins a little earlier than the first one ends.
    private static void overlap(Path model) throws IOException {
        Path file = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) buffer.getLong(0);
        String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
        Matcher offsets = Pattern.compile("\"data_offsets\":\\[(\\d+),(\\d+)]").matcher(header);
        while (offsets.find()) {
            long begin = Long.parseLong(offsets.group(1));
            if (begin > 0) {
                String earlier =
                        "\"data_offsets\":[%d,%d]"
                                .formatted(begin - 2, Long.parseLong(offsets.group(2)) - 2);
                String spoiled =
                        header.substring(0, offsets.start())
                                + earlier
                                + header.substring(offsets.end());
                byte[] json = spoiled.getBytes(StandardCharsets.UTF_8);
                Files.write(
                        file,
                        ByteBuffer.allocate(8 + json.length + bytes.length - 8 - length)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .putLong(json.length)
                                .put(json)
                                .put(bytes, 8 + length, bytes.length - 8 - length)
                                .array());
                return;
            }
        }
        throw new IllegalStateException("the model has but one tensor");
    }

    private static void nameMissingShard(Path model) throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        Files.writeString(
                model.resolve("model.safetensors.index.json"),
                """
                {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
                """);
    }

    @Test
    void aFlippedByteInAnArtifactIsNamedAndNotServed() throws Exception {
        Path source = copyOfDemoModel("flipped");
        // Another digest than the other tests' models have, so that no other one is broken.
        Path generation = source.resolve("generation_config.json");
        Files.writeString(generation, Files.readString(generation).replace("256", "255"));
        CommandLine.Result convert =
                platform.tokenlog("convert", source.toString(), "--bits", "4", "--name", "flipped");
        assertThat(convert.status()).as(convert.toString()).isZero();
        ObjectNode manifest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "flipped")
                        .getLast();
        Path artifact = Path.of(manifest.path("location").asText());
        Path weights;
        try (Stream<Path> files = Files.list(artifact)) {
            weights =
                    files.filter(file -> file.toString().endsWith(".safetensors"))
                            .findFirst()
                            .orElseThrow();
        }
        try (RandomAccessFile file = new RandomAccessFile(weights.toFile(), "rw")) {
            file.seek(file.length() / 2);
            int old = file.read();
            file.seek(file.length() / 2);
            file.write(old ^ 4);
        }
        CommandLine.Result inspect = CommandLine.tokenlog(folder, "inspect", artifact.toString());
        assertThat(inspect.status()).as(inspect.toString()).isNotZero();
        assertThat(inspect.err()).contains("model.");

        CommandLine.Result answer = platform.tokenlog("generate", "flipped", "Hello");
        assertThat(answer.status()).as(answer.toString()).isEqualTo(1);
        assertThat(answer.err()).contains("MODEL_UNREADABLE").contains("model.");
    }

    @Test
    void theCommandWithoutABrokerGivesTheSameDigest() {
        DemoModel.convert(platform, "by-events", 4);
        String digest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "by-events")
                        .getLast()
                        .path("model_digest")
                        .asText();
        CommandLine.Result quantize =
                CommandLine.tokenlog(
                        folder,
                        "quantize",
                        Checkout.demoModel().toString(),
                        "--out",
                        folder.resolve("store").toString(),
                        "--bits",
                        "4",
                        "--json");

        assertThat(quantize.status()).as(quantize.toString()).isZero();
        assertThat(quantize.out()).contains(digest);
    }

    /// A model whose Q8_0 blocks become int8 codes as they are, with the tokenizer of its file.
    /// What comes out of the topics is what the command line computes without them.
    @Test
    void aGgufFileIsConvertedServedAndAnswers() {
        Path gguf = Checkout.root().resolve("engine/src/test/resources/gguf/llama.q8_0.gguf");
        CommandLine.Result convert =
                platform.tokenlog("convert", gguf.toString(), "--bits", "8", "--name", "gguf");
        assertThat(convert.status()).as(convert.toString()).isZero();
        ObjectNode manifest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "gguf")
                        .getLast();
        assertThat(manifest.path("source").asText()).isEqualTo(gguf.toString());
        CommandLine.Result quantize =
                CommandLine.tokenlog(
                        folder,
                        "quantize",
                        gguf.toString(),
                        "--out",
                        folder.resolve("gguf-store").toString(),
                        "--bits",
                        "8");
        assertThat(quantize.out().strip()).isEqualTo(manifest.path("model_digest").asText());

        CommandLine.Result answer =
                platform.tokenlog(
                        "generate",
                        "gguf",
                        "the rain",
                        "--raw",
                        "--id",
                        "from-gguf",
                        "--temperature",
                        "0",
                        "--max-tokens",
                        "8");
        assertThat(answer.status()).as(answer.toString()).isZero();
        List<Integer> ids = new ArrayList<>();
        for (ObjectNode event :
                TopicDump.of(platform.bootstrap(), "tokens").events("generation_id", "from-gguf")) {
            event.path("token_ids").forEach(id -> ids.add(id.asInt()));
        }
        assertThat(ids).hasSize(8);
        assertThat(shell("echo '\"the rain\"' | ./tokenlog tokenize " + gguf))
                .isEqualTo("[1,268,292]");
        assertThat(
                        shell(
                                "./tokenlog logits "
                                        + manifest.path("location").asText()
                                        + " --ids 1,268,292 --greedy 8"))
                .isEqualTo(ids.toString().replace(" ", ""));
    }

    private static String shell(String command) {
        CommandLine.Result result =
                CommandLine.run(
                        Checkout.root(),
                        CommandLine.environment(folder),
                        Duration.ofMinutes(2),
                        List.of("bash", "-c", command));
        assertThat(result.status()).as(result.toString()).isZero();
        return result.out().strip();
    }

    @Test
    void anUnreadableRequestIsADeadLetter() throws Exception {
        try (Prompts prompts = new Prompts(platform.bootstrap())) {
            prompts.send("conversion-requests", null, "k", "not json".getBytes());
        }
        await("a dead letter")
                .atMost(Duration.ofSeconds(20))
                .until(() ->
                        TopicDump.of(platform.bootstrap(), "dead-letters").records().stream()
                                .anyMatch(record ->
                                        "conversion-requests"
                                                .equals(TopicDump.header(record, "topic"))));
    }

    private static Path copyOfDemoModel(String name) throws IOException {
        Path copy = Files.createDirectories(folder.resolve(name));
        try (Stream<Path> files = Files.list(Checkout.demoModel())) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName().toString()));
            }
        }
        return copy;
    }
}
