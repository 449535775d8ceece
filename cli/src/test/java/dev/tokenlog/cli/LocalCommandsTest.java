package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Commands that need no broker, on the bundled model.
class LocalCommandsTest {

    @TempDir Path folder;

    @Test
    void quantizeWritesAnArtifactThatInspectVouchesFor() {
        String store = folder.resolve("a store").toString();
        CommandRun quantize =
                CommandRun.of("quantize", CommandRun.demoModel(), "--out", store, "--json");
        assertThat(quantize.status()).as(quantize.toString()).isZero();
        assertThat(quantize.out().lines()).hasSize(1);
        JsonNode made = Json.read(quantize.out(), "quantize");
        String location = made.path("location").asText();

        CommandRun inspect = CommandRun.of("inspect", location, "--json");
        assertThat(inspect.status()).as(inspect.toString()).isZero();
        JsonNode found = Json.read(inspect.out(), "inspect");
        assertThat(found.path("facts").path("model_digest").asText())
                .isEqualTo(made.path("model_digest").asText())
                .isEqualTo(Path.of(location).getFileName().toString());
        assertThat(found.path("tensors")).hasSize(6 * 9 + 2);
    }

    @Test
    void artifactsSaysWhatSeveralModelsShareAndWhichIsBroken() throws Exception {
        Path store = folder.resolve("store");
        Path other = Files.createDirectories(folder.resolve("other"));
        try (Stream<Path> files = Files.list(Path.of(CommandRun.demoModel()))) {
            for (Path file : files.toList()) {
                Files.copy(file, other.resolve(file.getFileName()));
            }
        }
        Files.writeString(other.resolve("generation_config.json"), "{\"eos_token_id\": 7}");
        String first = quantized(CommandRun.demoModel(), store);
        String second = quantized(other.toString(), store);

        CommandRun list = CommandRun.of("artifacts", "--store", store.toString(), "--json");
        assertThat(list.status()).as(list.toString()).isZero();
        JsonNode usage = Json.read(list.out(), "artifacts");
        assertThat(usage.path("artifacts")).hasSize(2);
        JsonNode entry = usage.path("artifacts").get(0);
        assertThat(entry.path("shared_bytes").asLong()).isPositive();
        assertThat(usage.path("bytes").asLong() - usage.path("bytes_on_disk").asLong())
                .isEqualTo(entry.path("shared_bytes").asLong());
        assertThat(CommandRun.of("artifacts", "--store", store.toString()).err())
                .contains("MB are saved");

        Path config = store.resolve(second).resolve("config.json");
        Files.writeString(config, Files.readString(config) + " ");
        CommandRun verify = CommandRun.of("artifacts", "verify", "--store", store.toString());
        assertThat(verify.status()).isEqualTo(ExitStatus.NO);
        assertThat(verify.out().lines())
                .anyMatch(line -> line.equals(first + "  whole"))
                .anyMatch(line -> line.startsWith(second + "  BROKEN") && line.contains("config"));
    }

    @Test
    void exportWritesAnArchiveThatConvertsBackToTheSameDigest() {
        Path store = folder.resolve("store");
        String digest = quantized(CommandRun.demoModel(), store);
        Path exported = folder.resolve("exported");

        CommandRun export =
                CommandRun.of(
                        "export",
                        digest,
                        "--store",
                        store.toString(),
                        "--npz",
                        exported.toString(),
                        "--json");
        assertThat(export.status()).as(export.toString()).isZero();
        JsonNode written = Json.read(export.out(), "export");
        String manifest = written.path("manifest").asText();
        assertThat(manifest).endsWith("_manifest_q4.json");
        assertThat(written.path("archive").asText()).endsWith("_quantized_q4.npz");
        assertThat(quantized(manifest, folder.resolve("again"))).isEqualTo(digest);

        Path values = folder.resolve("values.npy");
        String name = "model.layers.2.mlp.up_proj.weight";
        for (String model : new String[] {manifest, store.resolve(digest).toString()}) {
            CommandRun inspect =
                    CommandRun.of(
                            "inspect",
                            model,
                            "--tensor",
                            name,
                            "--out",
                            values.toString() + model.hashCode());
            assertThat(inspect.status()).as(inspect.toString()).isZero();
        }
        assertThat(Path.of(values.toString() + manifest.hashCode()))
                .hasSameBinaryContentAs(
                        Path.of(values.toString() + store.resolve(digest).toString().hashCode()));
    }

    @Test
    void exportWritesAFileForLlamaCpp() throws Exception {
        Path store = folder.resolve("store");
        String digest = quantized(CommandRun.demoModel(), store);
        Path file = folder.resolve("demo.gguf");

        CommandRun export =
                CommandRun.of(
                        "export",
                        store.resolve(digest).toString(),
                        "--gguf",
                        file.toString(),
                        "--json");
        assertThat(export.status()).as(export.toString()).isZero();
        assertThat(Json.read(export.out(), "export").path("converted")).isEmpty();
        CommandRun inspect = CommandRun.of("inspect", file.toString());
        assertThat(inspect.out()).contains("Q4_0").contains("Q8_0").contains(digest);
        CommandRun usage =
                CommandRun.of(
                        "export",
                        store.resolve(digest).toString(),
                        "--gguf",
                        file.toString(),
                        "--other-codes",
                        "q5");
        assertThat(usage.status()).isEqualTo(ExitStatus.USAGE);
    }

    /// What is quantized already keeps its codes unless somebody asks for others.
    @Test
    void exportWritesAFolderOfCompressedTensorsWhoseCodesAreKept() throws Exception {
        Path store = folder.resolve("store");
        String digest = quantized(CommandRun.demoModel(), store);
        Path exported = folder.resolve("exported");

        CommandRun export =
                CommandRun.of(
                        "export",
                        store.resolve(digest).toString(),
                        "--safetensors",
                        exported.toString(),
                        "--json");
        assertThat(export.status()).as(export.toString()).isZero();
        assertThat(Json.read(export.out(), "export").path("file").asText())
                .isEqualTo(exported.resolve("model.safetensors").toString());
        assertThat(export.err())
                .contains("transformers does not open a tied model")
                .contains("tokenlog quantize --recipe int4-g32-absmax,embedding=int4");
        assertThat(exported.resolve("tokenizer.json")).exists();
        assertThat(exported.resolve("config.json")).content().contains("compressed-tensors");

        assertThat(quantized(exported.toString(), folder.resolve("again"))).isEqualTo(digest);
        CommandRun wider =
                CommandRun.of(
                        "quantize",
                        exported.toString(),
                        "--bits",
                        "8",
                        "--out",
                        folder.resolve("wider").toString(),
                        "--json");
        assertThat(Json.read(wider.out(), "quantize").path("recipe").asText())
                .isEqualTo("int8-g32-lsq");
    }

    private static String quantized(String model, Path store) {
        CommandRun run = CommandRun.of("quantize", model, "--out", store.toString());
        assertThat(run.status()).as(run.toString()).isZero();
        return run.out().strip();
    }

    @Test
    void inspectNamesWhatIsBroken() throws Exception {
        Path file = Files.write(folder.resolve("broken.safetensors"), new byte[] {1, 2, 3});
        CommandRun run = CommandRun.of("inspect", file.toString());
        assertThat(run.status()).isEqualTo(ExitStatus.NO);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("broken.safetensors").contains("SOURCE_UNREADABLE");
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void tokenizeGoesThereAndBack() {
        String text = "Once upon a time, gr\u00fc\u00dfe \ud83d\ude00!";
        CommandRun there =
                withInput(
                        Json.text(Json.of(text)) + "\n",
                        "tokenize",
                        CommandRun.demoModel(),
                        "--no-special");
        assertThat(there.status()).as(there.toString()).isZero();
        CommandRun back =
                withInput(
                        there.out(),
                        "tokenize",
                        CommandRun.demoModel(),
                        "--decode",
                        "--no-special");
        assertThat(Json.read(back.out(), "line").asText()).isEqualTo(text);
    }

    @Test
    void tokenizeNamesTheLineThatIsNoJson() {
        CommandRun run = withInput("\"a\"\nb\n", "tokenize", CommandRun.demoModel());
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.out().lines()).hasSize(1);
        assertThat(run.err()).contains("line 2");
    }

    /// Half of the line would be an answer to a question that nobody asked.
    @Test
    void tokenizeRefusesWhatFollowsTheString() {
        CommandRun run = withInput("\"a\" \"b\"\n", "tokenize", CommandRun.demoModel());
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("line 1 is not JSON");
    }

    @Test
    void halfASurrogatePairIsWrittenAsAnEscape() {
        assertThat(Json.text(Json.of("a\ud800b\ud83d\ude00\udc00")))
                .isEqualTo("\"a\\ud800b\ud83d\ude00\\udc00\"");
    }

    @Test
    void aGgufFileIsReadLikeAFolder() {
        String gguf = gguf();
        CommandRun there = withInput("\"the rain\"\n", "tokenize", gguf);
        assertThat(there.status()).as(there.toString()).isZero();
        assertThat(there.out().strip()).isEqualTo("[1,268,292]");
        CommandRun back = withInput(there.out(), "tokenize", gguf, "--decode", "--no-special");
        assertThat(Json.read(back.out(), "line").asText()).isEqualTo("the rain");
        CommandRun render =
                withInput(
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n",
                        "render",
                        gguf);
        assertThat(Json.read(render.out(), "line").asText()).isEqualTo("[user] hi\n");
        Path out = folder.resolve("logits.npy");
        CommandRun logits =
                CommandRun.of(
                        "logits",
                        gguf,
                        "--ids",
                        "1,268,292",
                        "--out",
                        out.toString(),
                        "--greedy",
                        "2");
        assertThat(logits.status()).as(logits.toString()).isZero();
        assertThat(Json.read(logits.out(), "logits")).hasSize(2);
        assertThat(out).isNotEmptyFile();
        CommandRun inspect = CommandRun.of("inspect", gguf);
        assertThat(inspect.out())
                .contains("metadata.llama.block_count")
                .contains("blk.0.attn_q.weight")
                .contains("Q8_0")
                .doesNotContain("\t");
    }

    private static String gguf() {
        return Path.of(CommandRun.demoModel())
                .resolve("../../engine/src/test/resources/gguf/llama.q8_0.gguf")
                .normalize()
                .toString();
    }

    @Test
    void renderWritesAStringOrAnError() {
        CommandRun run =
                withInput(
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"add_generation_prompt\":true}\n",
                        "render",
                        CommandRun.demoModel());
        assertThat(run.status()).as(run.toString()).isZero();
        assertThat(Json.read(run.out(), "line").asText())
                .isEqualTo("<s><|user|>\nhi</s>\n<|assistant|>\n");
    }

    @Test
    void logitsGreedyIsTheReferenceContinuation() throws Exception {
        JsonNode reference =
                Json.read(
                        Files.readString(
                                Path.of(
                                        System.getProperty("tokenlog.root"),
                                        "demo-model",
                                        "reference.json")),
                        "reference.json");
        JsonNode greedy = reference.path("cases").get(0);
        CommandRun run =
                CommandRun.of(
                        "logits",
                        CommandRun.demoModel(),
                        "--ids",
                        joined(greedy.path("input_ids")),
                        "--greedy",
                        "8",
                        "--compute",
                        "scalar");
        assertThat(run.status()).as(run.toString()).isZero();
        JsonNode next = Json.read(run.out(), "ids");
        for (int i = 0; i < next.size(); i++) {
            assertThat(next.get(i)).isEqualTo(greedy.path("greedy_ids").get(i));
        }
    }

    @Test
    void logitsRefusesAnIdThatIsNotInTheVocabulary() {
        CommandRun run =
                CommandRun.of("logits", CommandRun.demoModel(), "--ids", "999999", "--greedy", "1");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("999999");
    }

    @Test
    void logitsRefusesANegativeNumberOfTokens() {
        CommandRun run =
                CommandRun.of("logits", CommandRun.demoModel(), "--ids", "1", "--greedy=-3");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("--greedy").contains("-3").doesNotContain("defect");
    }

    @Test
    void logitsWithKernelsThatDoNotExistSaysWhichDo() {
        CommandRun run =
                CommandRun.of(
                        "logits",
                        CommandRun.demoModel(),
                        "--ids",
                        "1",
                        "--greedy",
                        "1",
                        "--compute",
                        "abacus");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("abacus").contains("scalar");
    }

    @Test
    void doctorFindsTheKernelsAndPrintsOneDocument() {
        CommandRun run = CommandRun.of("doctor", "--json", "--bootstrap", "127.0.0.1:1");
        assertThat(run.status()).as(run.toString()).isZero();
        JsonNode findings = Json.read(run.out(), "doctor").path("findings");
        assertThat(findings).anyMatch(f -> f.path("subject").asText().equals("kernels scalar"));
        assertThat(findings)
                .anyMatch(f ->
                        f.path("subject").asText().equals("broker")
                                && f.path("remedy").asText().contains("tokenlog up"));
    }

    private static String joined(JsonNode ids) {
        StringBuilder text = new StringBuilder();
        ids.forEach(id -> text.append(text.isEmpty() ? "" : ",").append(id.asInt()));
        return text.toString();
    }

    private static CommandRun withInput(String input, String... arguments) {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            return CommandRun.of(arguments);
        } finally {
            System.setIn(before);
        }
    }
}
