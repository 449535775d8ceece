package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tiny `vocab.json` with `merges.txt`, judged by transformers (`byte-level-models.py`).
class ByteLevelModelsTest {

    @TempDir Path temp;

    @ParameterizedTest
    @ValueSource(strings = {"byte-gpt2", "byte-qwen2"})
    void encodesAndDecodesAsTransformersDoes(String name) throws IOException {
        Path folder = TestFiles.resource("tokenizers/" + name);
        JsonNode cases = TestMaterial.json(folder.resolve("cases.json")).path("texts");
        assertThat(cases).hasSizeGreaterThan(180);
        SoftAssertions softly = new SoftAssertions();
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            for (JsonNode c : cases) {
                int[] ids = BundledTokenizerTest.ids(c.path("ids"));
                softly.assertThat(tokenizer.encode(c.path("text").textValue(), true))
                        .as(c.toString())
                        .isEqualTo(ids);
                softly.assertThat(tokenizer.decode(ids, true))
                        .as(c.toString())
                        .isEqualTo(c.path("decoded").textValue());
                softly.assertThat(tokenizer.detokenizer().append(ids))
                        .as(c.toString())
                        .isEqualTo(c.path("decoded").textValue());
            }
        }
        softly.assertAll();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"a\":0,\"b\":0} | a b | SOURCE_UNREADABLE | 'a' and 'b' have the id 0",
                "{\"a\":-1} | a b | SOURCE_UNREADABLE | the id of 'a' is -1",
                "{\"a\":\"0\"} | a b | SOURCE_UNREADABLE | the id of 'a' is \"0\"",
                "{} | a b | SOURCE_UNREADABLE | the vocabulary is empty",
                "{\"a\":0,\"b\":1} | a b | SOURCE_UNREADABLE | merge 0, 'a b': 'ab' is not in the vocabulary",
                "{\"a\":0,\"b\":1,\"ab\":2} | a b c | SOURCE_UNREADABLE | is not two tokens apart by a space",
            })
    void broken(String vocabulary, String merges, Reason reason, String message)
            throws IOException {
        Files.writeString(temp.resolve("vocab.json"), vocabulary);
        Files.writeString(temp.resolve("merges.txt"), "#version: 0.2\n" + merges + "\n");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("vocab.json")
                .withMessageContaining(message)
                .satisfies(e -> assertThat(e.reason()).isEqualTo(reason));
    }

    @Test
    void aClassThatIsNotKnownIsRefused() throws IOException {
        Files.writeString(temp.resolve("vocab.json"), "{\"a\":0}");
        Files.writeString(temp.resolve("merges.txt"), "");
        Files.writeString(
                temp.resolve("tokenizer_config.json"), "{\"tokenizer_class\": \"MagicTokenizer\"}");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("tokenizer_class is 'MagicTokenizer'")
                .satisfies(e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED));
    }
}
