package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Vectors that others published for their tokenizers.
class PublishedTokenizersTest {

    @TempDir Path temp;

    @Test
    void llama2EncodesAndDecodesAsTransformersDoes() throws IOException {
        Path folder = TestFiles.shared("llama2-tokenizer");
        JsonNode cases = TestMaterial.json(folder.resolve("swift-vectors.json")).path("cases");
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestMaterial.llama2Tokenizer(temp))) {
            assertThat(cases).hasSizeGreaterThan(15);
            checkCases(tokenizer, cases);
        }
    }

    @Test
    void llama2EncodesAsLlamaCppDoes() throws IOException {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestMaterial.llama2Tokenizer(temp))) {
            checkLlamaCpp(tokenizer);
        }
    }

    private static void checkLlamaCpp(ModelTokenizer tokenizer) throws IOException {
        Path folder = TestFiles.shared("llama2-tokenizer");
        String inputs = Files.readString(folder.resolve("ggml-vocab-llama-spm.gguf.inp"));
        String[] texts = inputs.split("\n__ggml_vocab_test__\n", -1);
        String[] lines =
                Files.readString(folder.resolve("ggml-vocab-llama-spm.gguf.out")).split("\n", -1);
        SoftAssertions softly = new SoftAssertions();
        for (int i = 0; i < texts.length - 1; i++) {
            int[] expected =
                    Arrays.stream(lines[i].trim().split("\\s+"))
                            .filter(id -> !id.isEmpty())
                            .mapToInt(Integer::parseInt)
                            .toArray();
            softly.assertThat(tokenizer.encode(texts[i], false))
                    .as("'%s'", texts[i])
                    .isEqualTo(expected);
        }
        softly.assertAll();
    }

    /// As it is published: a `tokenizer.json` that the library refuses beside a `tokenizer.model`.
    @Test
    void llama2FromSentencePieceGivesTheSameIds() throws IOException {
        Path folder = TestFiles.shared("llama2-tokenizer");
        try (ModelTokenizer translated = ModelTokenizer.open(folder);
                ModelTokenizer original = ModelTokenizer.open(TestMaterial.llama2Tokenizer(temp))) {
            assertThat(translated.warning().orElseThrow())
                    .contains("tokenizer.model is used in place of", "tokenizer.json");
            checkCases(
                    translated,
                    TestMaterial.json(folder.resolve("swift-vectors.json")).path("cases"));
            checkLlamaCpp(translated);
            Random random = new Random(17);
            for (int round = 0; round < 300; round++) {
                String text = RandomTexts.next(random);
                assertThat(translated.encode(text, true))
                        .as(text)
                        .isEqualTo(original.encode(text, true));
            }
        }
    }

    @Test
    void gpt2EncodesAndDecodesAsTransformersDoes() throws IOException {
        JsonNode vectors =
                TestMaterial.json(TestFiles.shared("hf-tokenizer-vectors/tokenizer_tests.json"));
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.shared("gpt2-tokenizer"))) {
            checkCases(tokenizer, vectors.path("distilgpt2"));
            JsonNode text =
                    TestMaterial.json(TestFiles.shared("gpt2-tokenizer/gpt2_encoded_tokens.json"));
            int[] ids = tokenizer.encode(text.path("text").textValue(), false);
            assertThat(ids).isEqualTo(ids(text.path("token_ids")));
            assertThat(tokenizer.detokenizer().append(ids))
                    .isEqualTo(text.path("text").textValue());
        }
    }

    @Test
    void smolLm2EncodesAsTransformersDoes() throws IOException {
        Path folder = TestFiles.shared("smollm2");
        JsonNode reference = TestMaterial.json(folder.resolve("reference.json"));
        ChatTemplate template = ChatTemplate.open(folder.resolve("hf"));
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder.resolve("hf"))) {
            for (JsonNode c : reference.path("cases")) {
                BundledTokenizerTest.checkReference(tokenizer, template, c);
            }
            int[] ids =
                    tokenizer.encode(
                            Files.readString(folder.resolve("text.txt"), StandardCharsets.UTF_8),
                            false);
            JsonNode text = reference.path("text");
            assertThat(ids).hasSize(text.path("tokens_in_file").intValue());
            assertThat(ids).startsWith(ids(text.path("first_ids")));
            assertThat(tokenizer.endOfSequence()).containsExactly(2);
        }
    }

    private static void checkCases(ModelTokenizer tokenizer, JsonNode cases) {
        assertThat(cases).isNotEmpty();
        for (JsonNode c : cases) {
            String input = c.path("input").textValue();
            int[] ids = ids(c.path("encoded").path("input_ids"));
            assertThat(tokenizer.encode(input, true)).as(input).isEqualTo(ids);
            // transformers' decode was asked to clean up blanks before punctuation; ours never does
            String cleaned = c.path("decoded_without_special").textValue();
            String streamed = tokenizer.detokenizer().append(ids);
            assertThat(cleanedUp(streamed)).isEqualTo(cleanedUp(cleaned));
            assertThat(streamed).isEqualTo(tokenizer.decode(ids, true));
        }
    }

    /// `clean_up_tokenization` of transformers.
    private static String cleanedUp(String text) {
        return text.replace(" .", ".")
                .replace(" ?", "?")
                .replace(" !", "!")
                .replace(" ,", ",")
                .replace(" ' ", "'")
                .replace(" n't", "n't")
                .replace(" 'm", "'m")
                .replace(" 's", "'s")
                .replace(" 've", "'ve")
                .replace(" 're", "'re");
    }

    private static int[] ids(JsonNode array) {
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = array.get(i).intValue();
        }
        return ids;
    }
}
