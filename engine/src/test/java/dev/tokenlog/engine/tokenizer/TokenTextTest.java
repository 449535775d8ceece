package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Decoders of `tokenizer.json` on a small vocabulary, judged by the tokenizer library.
class TokenTextTest {

    private static final String LLAMA =
            """
            {"type":"Sequence","decoders":[
              {"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
              {"type":"ByteFallback"},{"type":"Fuse"},
              {"type":"Strip","content":" ","start":1,"stop":0}]}\
            """;

    private static final String GEMMA =
            """
            {"type":"Sequence","decoders":[
              {"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
              {"type":"ByteFallback"},{"type":"Fuse"}]}\
            """;

    @TempDir Path temp;

    @ParameterizedTest
    @ValueSource(
            strings = {
                LLAMA,
                GEMMA,
                "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"always\",\"split\":true}",
                "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"never\",\"split\":true}",
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}",
            })
    void givesTheLibrarysText(String decoder) throws IOException {
        try (ModelTokenizer tokenizer = open(decoder)) {
            Random random = new Random(23);
            for (int round = 0; round < 2000; round++) {
                int[] ids =
                        random.ints(1 + random.nextInt(8), 0, tokenizer.vocabularySize()).toArray();
                String decoded = tokenizer.decode(ids, true);
                if (decoded.indexOf('\ufffd') < 0) {
                    assertThat(tokenizer.detokenizer().append(ids))
                            .as(Arrays.toString(ids))
                            .isEqualTo(decoded);
                }
            }
        }
    }

    @Test
    void joinsBytesToCharacters() throws IOException {
        try (ModelTokenizer tokenizer = open(LLAMA)) {
            StreamingDetokenizer detokenizer = tokenizer.detokenizer();
            StringBuilder pieces = new StringBuilder();
            for (byte b : "🦊é".getBytes(StandardCharsets.UTF_8)) {
                pieces.append('|');
                pieces.append(
                        detokenizer.append(tokenizer.id(String.format("<0x%02X>", b)).getAsInt()));
            }
            assertThat(pieces).hasToString("||||🦊||é");
            assertThat(detokenizer.isInsideCharacter()).isFalse();
        }
    }

    private ModelTokenizer open(String decoder) throws IOException {
        ObjectNode root = TestMaterial.JSON.createObjectNode();
        root.put("version", "1.0");
        ObjectNode vocabulary = TestMaterial.JSON.createObjectNode();
        ArrayNode added = root.putArray("added_tokens");
        for (int id = 0; id < 3; id++) {
            ObjectNode token = added.addObject();
            token.put("id", id).put("content", "<special" + id + ">").put("special", true);
            token.put("single_word", false).put("lstrip", false).put("rstrip", false);
            token.put("normalized", false);
            vocabulary.put("<special" + id + ">", id);
        }
        root.set("decoder", TestMaterial.JSON.readTree(decoder));
        ObjectNode model = root.putObject("model");
        model.put("type", "BPE").put("byte_fallback", true);
        model.set("vocab", vocabulary);
        for (int b = 0; b < 256; b++) {
            vocabulary.put(String.format("<0x%02X>", b), 3 + b);
        }
        String[] pieces = {
            "▁", "a", "▁a", "▁▁", "é", "🦊", "Ġb", "Ã", "©", "日本", "x▁y", " z", "<0xZZ>"
        };
        for (int i = 0; i < pieces.length; i++) {
            vocabulary.put(pieces[i], 259 + i);
        }
        model.putArray("merges");
        Files.write(temp.resolve("tokenizer.json"), TestMaterial.JSON.writeValueAsBytes(root));
        return ModelTokenizer.open(temp);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
                "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"y\"}",
                "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}",
                "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":0,\"stop\":1}]}",
                "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"CTC\"}]}",
            })
    void refusesWhatHasNoStreamingForm(String decoder) {
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> open(decoder))
                .withMessageContaining("is not supported")
                .satisfies(
                        e -> assertThat(e.reason()).isEqualTo(EngineException.Reason.UNSUPPORTED));
    }

    /// The JDK's decoder replaces by the same rule, but for encoded surrogates, of which it makes
    /// one U+FFFD.
    @Test
    void decodesAnyBytesInAnyPieces() {
        Random random = new Random(29);
        int[] lead = {0x41, 0xc3, 0xe2, 0xf0, 0x9f, 0xa6, 0x8a, 0x82, 0xac, 0xff, 0xc0, 0xe0, 0xf4};
        for (int round = 0; round < 5000; round++) {
            byte[] bytes = new byte[random.nextInt(12)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) lead[random.nextInt(lead.length)];
            }
            Utf8Stream stream = new Utf8Stream(false);
            StringBuilder out = new StringBuilder();
            for (int at = 0; at < bytes.length; ) {
                int end = Math.min(bytes.length, at + 1 + random.nextInt(3));
                stream.decode(Arrays.copyOfRange(bytes, at, end), out);
                at = end;
            }
            String expected = new String(bytes, StandardCharsets.UTF_8);
            assertThat(out + (stream.isWaiting() ? "\ufffd" : "")).isEqualTo(expected);
        }
    }
}
