package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Vectors of others through `tokenlog tokenize`, one run a folder.
class TokenizeVectorsTest {

    private static final Path ROOT = Path.of(System.getProperty("tokenlog.root"));

    @ParameterizedTest
    @ValueSource(strings = {"bpe-llama", "bpe-gemma", "unigram-nfkc"})
    void sentencePieceModels(String name) throws IOException {
        Path folder = ROOT.resolve("engine/src/test/resources/tokenizers").resolve(name);
        JsonNode cases = json(folder.resolve("cases.json")).path("texts");
        List<JsonNode> there = tokenize(folder, texts(cases, "text"), "--no-special");
        assertThat(there).hasSize(cases.size());
        for (int i = 0; i < there.size(); i++) {
            assertThat(there.get(i)).as(cases.get(i).toString()).isEqualTo(cases.get(i).get("ids"));
        }
    }

    @Test
    void llama2() throws IOException {
        Path folder = shared("llama2-tokenizer");
        JsonNode cases = json(folder.resolve("swift-vectors.json")).path("cases");
        checkTransformers(folder, cases);
        String[] texts =
                Files.readString(folder.resolve("ggml-vocab-llama-spm.gguf.inp"))
                        .split("\n__ggml_vocab_test__\n", -1);
        String[] ids =
                Files.readString(folder.resolve("ggml-vocab-llama-spm.gguf.out")).split("\n", -1);
        List<String> inputs = List.of(texts).subList(0, texts.length - 1);
        List<JsonNode> there = tokenize(folder, inputs, "--no-special");
        List<String> lists = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            assertThat(there.get(i).toString())
                    .as(inputs.get(i))
                    .isEqualTo("[" + ids[i].trim().replace(" ", ",") + "]");
            lists.add(there.get(i).toString());
        }
        List<JsonNode> back = run(folder, String.join("\n", lists), "--decode", "--no-special");
        for (int i = 0; i < inputs.size(); i++) {
            assertThat(back.get(i).textValue()).isEqualTo(inputs.get(i));
        }
    }

    @Test
    void gpt2() throws IOException {
        JsonNode all = json(shared("hf-tokenizer-vectors").resolve("tokenizer_tests.json"));
        Path folder = shared("gpt2-tokenizer");
        checkTransformers(folder, all.path("distilgpt2"));
        JsonNode text = json(folder.resolve("gpt2_encoded_tokens.json"));
        assertThat(tokenize(folder, List.of(text.path("text").textValue())).getFirst())
                .isEqualTo(text.path("token_ids"));
    }

    @Test
    void anIdWithoutATokenIsNamed() {
        CommandRun run =
                withInput("[3]\n[3,99999]\n", "tokenize", CommandRun.demoModel(), "--decode");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.out().lines()).hasSize(1);
        assertThat(run.err()).contains("token id 99999 is not in the vocabulary");
    }

    private static void checkTransformers(Path folder, JsonNode cases) throws IOException {
        List<JsonNode> there = tokenize(folder, texts(cases, "input"));
        assertThat(there).hasSizeGreaterThan(15);
        for (int i = 0; i < there.size(); i++) {
            assertThat(there.get(i))
                    .as(cases.get(i).path("input").toString())
                    .isEqualTo(cases.get(i).path("encoded").path("input_ids"));
        }
    }

    private static List<String> texts(JsonNode cases, String field) {
        List<String> texts = new ArrayList<>();
        cases.forEach(c -> texts.add(c.path(field).textValue()));
        return texts;
    }

    private static List<JsonNode> tokenize(Path folder, List<String> texts, String... options) {
        List<String> lines = texts.stream().map(text -> Json.text(Json.of(text))).toList();
        return run(folder, String.join("\n", lines), options);
    }

    private static List<JsonNode> run(Path folder, String lines, String... options) {
        List<String> arguments = new ArrayList<>(List.of("tokenize", folder.toString()));
        arguments.addAll(List.of(options));
        CommandRun run = withInput(lines + "\n", arguments.toArray(new String[0]));
        assertThat(run.status()).as(run.toString()).isZero();
        return run.out().lines().map(line -> Json.read(line, "answer")).toList();
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

    private static JsonNode json(Path file) throws IOException {
        return Json.read(Files.readString(file), file.toString());
    }

    private static Path shared(String name) {
        Path folder = ROOT.resolveSibling("shared").resolve("data").resolve(name);
        assumeTrue(Files.exists(folder), () -> "skipped: " + folder + " is not there");
        return folder;
    }
}
