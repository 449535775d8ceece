package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The bundled model's tokenizer and template against what transformers made of them.
class BundledTokenizerTest {

    private static final Path MODEL = TestFiles.root().resolve("demo-model/model");

    private static ModelTokenizer tokenizer;

    @TempDir Path temp;

    @BeforeAll
    static void open() {
        tokenizer = ModelTokenizer.open(MODEL);
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    static void checkReference(ModelTokenizer tokenizer, ChatTemplate template, JsonNode c) {
        List<Map<String, Object>> messages =
                TestMaterial.JSON.convertValue(c.path("messages"), new TypeReference<>() {});
        String rendered = template.render(messages, true, null, Instant.EPOCH);
        assertThat(rendered).isEqualTo(c.path("rendered").textValue());
        assertThat(tokenizer.encode(rendered, false)).isEqualTo(ids(c.path("input_ids")));
        assertThat(tokenizer.detokenizer().append(ids(c.path("greedy_ids"))))
                .isEqualTo(c.path("greedy_text").textValue());
    }

    static int[] ids(JsonNode array) {
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = array.get(i).intValue();
        }
        return ids;
    }

    @Test
    void agreesWithTheReference() throws IOException {
        ChatTemplate template = ChatTemplate.open(MODEL);
        JsonNode cases =
                TestMaterial.json(TestFiles.root().resolve("demo-model/reference.json"))
                        .path("cases");
        assertThat(cases).hasSize(12);
        for (JsonNode c : cases) {
            checkReference(tokenizer, template, c);
        }
    }

    @Test
    void knowsItsTokens() {
        assertThat(tokenizer.vocabularySize()).isEqualTo(4096);
        assertThat(tokenizer.endOfSequence()).containsExactly(2);
        assertThat(tokenizer.id("<|user|>")).hasValue(4);
        assertThat(tokenizer.id("no such token")).isEmpty();
        assertThat(tokenizer.token(5)).contains("<|assistant|>");
        assertThat(tokenizer.token(4096)).isEmpty();
        assertThat(tokenizer.token(-1)).isEmpty();
        assertThat(tokenizer.isSpecial(5)).isTrue();
        assertThat(tokenizer.isSpecial(300)).isFalse();
    }

    @Test
    void cutsNothing() {
        assertThat(tokenizer.encode("word ".repeat(5000), false)).hasSizeGreaterThan(5000);
    }

    @Test
    void takesTextThatIsNoUnicode() {
        int[] ids = tokenizer.encode("a\ud800b \ud83e\udd8a\u0000", false);
        assertThat(tokenizer.decode(ids, true)).isEqualTo("a\ufffdb \ud83e\udd8a\u0000");
    }

    @Test
    void servesManyThreads() throws Exception {
        int[] expected = tokenizer.encode("Tell me a story about a brave fox.", false);
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<int[]>> results = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                results.add(
                        threads.submit(() ->
                                tokenizer.encode("Tell me a story about a brave fox.", false)));
            }
            for (Future<int[]> result : results) {
                assertThat(result.get()).isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{                                            | SOURCE_UNREADABLE | not the expected JSON",
                "[]                                           | SOURCE_UNREADABLE | expected a JSON object",
                "{}                                           | SOURCE_UNREADABLE | the vocabulary is empty",
                "{\"model\":{\"vocab\":{\"a\":-1}}}           | SOURCE_UNREADABLE | out of range",
                "{\"model\":{\"vocab\":{\"a\":99999999999}}}  | SOURCE_UNREADABLE | out of range",
                "{\"model\":{\"vocab\":{\"a\":\"x\"}}}        | SOURCE_UNREADABLE | no integer",
                "{\"model\":{\"vocab\":[[1]]}}                | SOURCE_UNREADABLE | no text",
                "{\"model\":{\"vocab\":{\"a\":0}}}            | UNSUPPORTED       | decoder 'none'",
                "{\"model\":{\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"WordPiece\"}} | UNSUPPORTED | WordPiece",
                "{\"model\":{\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"ByteLevel\"}} | SOURCE_UNREADABLE | is no tokenizer",
            })
    void refusesWhatIsNoTokenizer(String content, Reason reason, String message)
            throws IOException {
        Files.writeString(temp.resolve("tokenizer.json"), content);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("tokenizer.json")
                .withMessageContaining(message)
                .satisfies(e -> assertThat(e.reason()).isEqualTo(reason));
    }

    @Test
    void namesAMissingFile() {
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("tokenizer.json: not found")
                .satisfies(e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND));
    }

    @Test
    void gathersTheEndsOfASequence() throws IOException {
        Files.copy(
                MODEL.resolve("tokenizer.json"),
                temp.resolve("tokenizer.json"),
                StandardCopyOption.REPLACE_EXISTING);
        Files.writeString(temp.resolve("generation_config.json"), "{\"eos_token_id\": [7, 9]}");
        Files.writeString(temp.resolve("config.json"), "{\"eos_token_id\": 2}");
        Files.writeString(
                temp.resolve("tokenizer_config.json"),
                "{\"eos_token\": {\"content\": \"<|assistant|>\"}}");
        try (ModelTokenizer other = ModelTokenizer.open(temp)) {
            assertThat(other.endOfSequence()).containsExactly(2, 5, 7, 9);
            assertThat(other.detokenizer().append(7)).isEmpty();
        }
        Files.writeString(temp.resolve("config.json"), "{\"eos_token_id\": \"two\"}");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("config.json: eos_token_id");
    }

    @Test
    void takesInTokensThatOnlyTheConfigurationLists() throws IOException {
        Files.copy(MODEL.resolve("tokenizer.json"), temp.resolve("tokenizer.json"));
        Files.writeString(temp.resolve("added_tokens.json"), "{\"<|new|>\": 4096}");
        Files.writeString(
                temp.resolve("tokenizer_config.json"),
                "{\"added_tokens_decoder\": {\"4097\": {\"content\": \"<|x|>\", \"special\": true},"
                        + " \"2\": {\"content\": \"</s>\", \"special\": true}}}");
        try (ModelTokenizer more = ModelTokenizer.open(temp)) {
            assertThat(more.encode("<|new|><|x|></s>", false)).containsExactly(4096, 4097, 2);
            assertThat(more.decode(new int[] {4096, 4097}, true)).isEqualTo("<|new|>");
            assertThat(more.detokenizer().append(new int[] {4096, 4097})).isEqualTo("<|new|>");
        }
        Files.writeString(temp.resolve("added_tokens.json"), "{\"<|new|>\": 5000}");
        assertRefused("'<|x|>' has the id 4097, the next one that is free is 4096");
        Files.writeString(temp.resolve("added_tokens.json"), "{\"</s>\": 7}");
        assertRefused("'</s>' has the id 7, in the tokenizer it has 2");
        Files.writeString(temp.resolve("added_tokens.json"), "{}");
        Files.writeString(temp.resolve("tokenizer_config.json"), "{\"eos_token\": \"<end>\"}");
        assertRefused("eos_token '<end>' is not in the vocabulary");
    }

    private void assertRefused(String message) {
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining(message)
                .satisfies(e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE));
    }

    @Test
    void findsTheTemplateWhereModelsKeepIt() throws IOException {
        assertThat(ChatTemplate.open(temp).warning().orElseThrow())
                .contains("has no chat template");
        Files.writeString(
                temp.resolve("tokenizer_config.json"),
                "{\"bos_token\": \"<s>\", \"chat_template\": [{\"name\": \"default\", \"template\":"
                        + " \"{{ bos_token }}plain\"}, {\"name\": \"tool_use\", \"template\":"
                        + " \"{{ tools | length }} tools\"}]}");
        assertThat(render()).isEqualTo("<s>plain");
        assertThat(
                        ChatTemplate.open(temp)
                                .render(List.of(), true, List.of(Map.of()), Instant.EPOCH))
                .isEqualTo("1 tools");
        Files.writeString(temp.resolve("chat_template.json"), "{\"chat_template\": \"from json\"}");
        assertThat(render()).isEqualTo("from json");
        Files.writeString(temp.resolve("chat_template.jinja"), "from {{ 'jinja' }}\n");
        assertThat(render()).isEqualTo("from jinja");
        Files.writeString(temp.resolve("chat_template.jinja"), "\n{{ raise_exception('never') }}");
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(this::render)
                .withMessage("chat_template.jinja, template line 2: never")
                .satisfies(e -> assertThat(e.reason()).isEqualTo(Reason.TEMPLATE_REFUSED));
    }

    @Test
    void writesPlainTextForAModelWithoutATemplate() {
        ChatTemplate template = ChatTemplate.open(temp);
        List<Map<String, Object>> messages =
                List.of(
                        Map.of("role", "system", "content", "Be brief.\n"),
                        Map.of("role", "user", "content", "Hi"),
                        Map.of("role", "assistant", "content", "Hello"),
                        Map.of(
                                "role",
                                "user",
                                "content",
                                List.of(Map.of("type", "text", "text", "Why?"))));
        assertThat(template.render(messages, true, null, Instant.EPOCH))
                .isEqualTo("System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: Why?\nAssistant:");
        assertThat(template.render(messages.subList(1, 2), false, null, Instant.EPOCH))
                .isEqualTo("User: Hi\n");
        assertThat(template.needsSpecialTokens()).isTrue();
    }

    @Test
    void readsNamedTemplatesAndFurtherVariables() throws IOException {
        Files.writeString(
                temp.resolve("chat_template.jinja"), "{{ documents | length }}{{ thinking }}");
        Files.createDirectories(temp.resolve("additional_chat_templates"));
        Files.writeString(
                temp.resolve("additional_chat_templates/tool_use.jinja"), "{{ tools[0].name }}");
        ChatTemplate template = ChatTemplate.open(temp);
        Map<String, Object> variables = Map.of("documents", List.of("a", "b"), "thinking", false);
        assertThat(template.render(List.of(), true, null, variables, Instant.EPOCH))
                .isEqualTo("2False");
        assertThat(template.render(List.of(), true, List.of(Map.of("name", "f")), Instant.EPOCH))
                .isEqualTo("f");
        Files.delete(temp.resolve("chat_template.jinja"));
        ChatTemplate onlyTools = ChatTemplate.open(temp);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> onlyTools.render(List.of(), true, null, Instant.EPOCH))
                .withMessageContaining("has no template named 'default', only [tool_use]");
    }

    private String render() {
        return ChatTemplate.open(temp).render(List.of(), true, null, Instant.EPOCH);
    }
}
