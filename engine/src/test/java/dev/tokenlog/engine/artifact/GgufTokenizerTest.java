package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.gguf.GgufBytes;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufTokenizerTest {

    /// The folder `models` of a llama.cpp source tree: vocabularies in GGUF, each with texts
    /// (`.inp`) and the ids that the model's own tokenizer gives (`.out`).
    private static final String VOCABULARIES = "TOKENLOG_GGUF_VOCABULARIES";

    @TempDir Path temp;

    @Test
    void llama2HasTheIdsOfItsAuthors() throws IOException {
        assertVectors(TestFiles.shared("llama2-tokenizer").resolve("ggml-vocab-llama-spm.gguf"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt-2",
                "llama-bpe",
                "llama-spm",
                "phi-3",
                "qwen2",
                "starcoder",
                "refact",
                "deepseek-coder",
                "deepseek-llm"
            })
    void vocabulariesOfLlamaCppHaveTheIdsOfTheirAuthors(String name) throws IOException {
        Optional<Path> folder =
                Optional.ofNullable(System.getProperty(VOCABULARIES, System.getenv(VOCABULARIES)))
                        .map(Path::of);
        assumeTrue(
                folder.isPresent(),
                "skipped: " + VOCABULARIES + " names no folder 'models' of llama.cpp");
        assertVectors(folder.get().resolve("ggml-vocab-" + name + ".gguf"));
    }

    @Test
    void tokensThatEndATurnEndASequenceWhateverTheKeysSay() throws IOException {
        GgufBytes bytes = byteLevel("gpt-2", 8, "<|end|>").number("tokenizer.ggml.eos_token_id", 0);
        try (GgufFolder folder = GgufFolder.tokenizer(bytes.aligned(32).write(file()));
                ModelTokenizer tokenizer = ModelTokenizer.open(folder.folder())) {
            assertThat(tokenizer.endOfSequence()).containsExactly(0, 3);
        }
    }

    /// Every way to cut words that is known makes an expression that the tokenizer library takes.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "default",
                "gpt-2",
                "smollm",
                "llama-bpe",
                "qwen2",
                "tekken",
                "gpt-4o",
                "deepseek-llm",
                "deepseek-coder"
            })
    void wordsAreCutAndNothingIsLost(String pre) throws IOException {
        try (GgufFolder folder = GgufFolder.tokenizer(byteLevel(pre, 7).aligned(32).write(file()));
                ModelTokenizer tokenizer = ModelTokenizer.open(folder.folder())) {
            assertThat(tokenizer.encode("abba<|x|>ab", false)).containsExactly(2, 1, 0, 3, 2);
            assertThat(tokenizer.decode(new int[] {2, 1, 0, 3, 2}, false)).isEqualTo("abba<|x|>ab");
        }
    }

    private static void assertVectors(Path gguf) throws IOException {
        String[] texts =
                Files.readString(gguf.resolveSibling(gguf.getFileName() + ".inp"))
                        .split("\n__ggml_vocab_test__\n");
        List<String> lines = Files.readAllLines(gguf.resolveSibling(gguf.getFileName() + ".out"));
        assertThat(lines.size()).isGreaterThanOrEqualTo(texts.length).isGreaterThan(30);
        try (GgufFolder folder = GgufFolder.tokenizer(gguf);
                ModelTokenizer tokenizer = ModelTokenizer.open(folder.folder())) {
            for (int i = 0; i < texts.length; i++) {
                int[] wanted =
                        lines.get(i).isBlank()
                                ? new int[0]
                                : Arrays.stream(lines.get(i).trim().split(" +"))
                                        .mapToInt(Integer::parseInt)
                                        .toArray();
                assertThat(tokenizer.encode(texts[i], false))
                        .describedAs("case %d: '%s'", i, texts[i])
                        .isEqualTo(wanted);
            }
        }
    }

    @Test
    void aVocabularyOfPiecesTokenizesRendersAndEnds() {
        try (GgufFolder folder = GgufFolder.tokenizer(TestFiles.resource("gguf/llama.q8_0.gguf"));
                ModelTokenizer tokenizer = ModelTokenizer.open(folder.folder())) {
            String text = "the rain, gr\u00fc\u00dfe \ud83d\ude00!";
            int[] ids = tokenizer.encode(text, true);

            assertThat(tokenizer.vocabularySize()).isEqualTo(320);
            assertThat(ids[0]).isEqualTo(tokenizer.id("<s>").orElseThrow()).isEqualTo(1);
            assertThat(ids.length).isLessThan(text.length() + 8);
            assertThat(tokenizer.decode(ids, true)).isEqualTo(text);
            assertThat(tokenizer.endOfSequence()).containsExactly(2);
            assertThat(
                            ChatTemplate.open(folder.folder())
                                    .render(
                                            List.of(Map.of("role", "user", "content", "hi")),
                                            false,
                                            null,
                                            Instant.EPOCH))
                    .isEqualTo("[user] hi\n");
        }
    }

    @Test
    void namedTemplatesAndBothKindsOfEndsAreKept() throws IOException {
        GgufBytes bytes =
                byteLevel("gpt-2", 11)
                        .text("tokenizer.chat_template", "plain")
                        .text("tokenizer.chat_template.tool_use", "tools")
                        .number("tokenizer.ggml.eos_token_id", 0)
                        .number("tokenizer.ggml.eot_token_id", 3);
        try (GgufFolder folder = GgufFolder.tokenizer(bytes.aligned(32).write(file()));
                ModelTokenizer tokenizer = ModelTokenizer.open(folder.folder())) {
            ChatTemplate template = ChatTemplate.open(folder.folder());
            List<Map<String, Object>> messages = List.of(Map.of("role", "user", "content", "hi"));

            assertThat(template.render(messages, true, null, Instant.EPOCH)).isEqualTo("plain");
            assertThat(template.render(messages, true, List.of(Map.of()), Instant.EPOCH))
                    .isEqualTo("tools");
            assertThat(tokenizer.endOfSequence()).containsExactly(0, 3);
            assertThat(tokenizer.encode("abab", false)).containsExactly(2, 2);
            assertThat(tokenizer.encode("<|x|>a", false)).containsExactly(3, 0);
            assertThat(tokenizer.isSpecial(3)).isTrue();
        }
    }

    @Test
    void theSameFileGivesTheSameBytes() throws IOException {
        Path gguf = TestFiles.resource("gguf/llama.q8_0.gguf");
        try (GgufFolder one = GgufFolder.open(gguf);
                GgufFolder other = GgufFolder.open(gguf)) {
            assertThat(one.folder()).isNotEqualTo(other.folder());
            for (String name :
                    List.of(
                            "config.json",
                            "generation_config.json",
                            "tokenizer.json",
                            "tokenizer_config.json")) {
                assertThat(one.folder().resolve(name))
                        .hasSameBinaryContentAs(other.folder().resolve(name));
            }
        }
    }

    @Test
    void whatWasTranslatedIsDeletedInTheEnd() {
        Path folder;
        try (GgufFolder gguf = GgufFolder.open(TestFiles.resource("gguf/llama.q8_0.gguf"))) {
            folder = gguf.folder();
            assertThat(folder.resolve("tokenizer.json")).isRegularFile();
        }
        assertThat(folder.getParent()).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "t5, gpt-2, tokenizer.ggml.model",
        "gpt2, some-new-one, tokenizer.ggml.pre",
        "gpt2, , tokenizer.ggml.pre"
    })
    void whatIsNotKnownIsRefusedByItsKey(String model, String pre, String key) {
        GgufBytes bytes = GgufBytes.header(3, 0, pre == null ? 2 : 3);
        bytes.text("tokenizer.ggml.model", model);
        if (pre != null) {
            bytes.text("tokenizer.ggml.pre", pre);
        }
        texts(bytes, "tokenizer.ggml.tokens", "a", "b");
        EngineException refusal = refusal(bytes);
        assertThat(refusal.reason()).isEqualTo(Reason.UNSUPPORTED);
        assertThat(refusal).hasMessageContaining("file.gguf").hasMessageContaining(key);
    }

    @Test
    void aKeyThatNobodyReadsIsRefused() {
        EngineException refusal =
                refusal(
                        byteLevel("gpt-2", 8)
                                .key("tokenizer.ggml.lowercase", GgufBytes.BOOL)
                                .raw((byte) 1));
        assertThat(refusal.reason()).isEqualTo(Reason.UNSUPPORTED);
        assertThat(refusal).hasMessageContaining("tokenizer.ggml.lowercase");
    }

    @Test
    void typesThatDoNotFitTheTokensAreRefused() {
        GgufBytes bytes =
                GgufBytes.header(3, 0, 4)
                        .text("tokenizer.ggml.model", "gpt2")
                        .text("tokenizer.ggml.pre", "gpt-2");
        texts(bytes, "tokenizer.ggml.tokens", "a", "b");
        EngineException refusal = refusal(types(bytes, 1, 1, 1));
        assertThat(refusal.reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
        assertThat(refusal).hasMessageContaining("tokenizer.ggml.token_type");
    }

    /// Tokens a, b, ab and a special one.
    private static GgufBytes byteLevel(String pre, int keys) {
        return byteLevel(pre, keys, "<|x|>");
    }

    private static GgufBytes byteLevel(String pre, int keys, String special) {
        GgufBytes bytes =
                GgufBytes.header(3, 0, keys - 2)
                        .text("tokenizer.ggml.model", "gpt2")
                        .text("tokenizer.ggml.pre", pre);
        texts(bytes, "tokenizer.ggml.tokens", "a", "b", "ab", special);
        types(bytes, 1, 1, 1, 3);
        return texts(bytes, "tokenizer.ggml.merges", "a b");
    }

    private static GgufBytes texts(GgufBytes bytes, String key, String... texts) {
        bytes.key(key, GgufBytes.ARRAY).int32(GgufBytes.STRING).int64(texts.length);
        for (String text : texts) {
            bytes.string(text);
        }
        return bytes;
    }

    private static GgufBytes types(GgufBytes bytes, int... types) {
        bytes.key("tokenizer.ggml.token_type", GgufBytes.ARRAY).int32(5).int64(types.length);
        for (int type : types) {
            bytes.int32(type);
        }
        return bytes;
    }

    private EngineException refusal(GgufBytes bytes) {
        EngineException thrown =
                catchThrowableOfType(
                        EngineException.class,
                        () -> GgufFolder.tokenizer(bytes.aligned(32).write(file())).close());
        assertThat(thrown).isNotNull();
        return thrown;
    }

    private Path file() {
        return temp.resolve("file.gguf");
    }
}
