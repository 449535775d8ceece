package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EventJsonTest {

    @Test
    void theJsonOfTheTokenTopicIsToTheLetter() {
        assertThat(
                        json(
                                new GenerationStarted(
                                        "g",
                                        1,
                                        "demo",
                                        "sha256-ab",
                                        "cpu-2/kv16",
                                        new UnsignedSeed(7),
                                        new Parameters(
                                                128, 0.7, null, 0.95, null, null, null, null, null,
                                                null, null, null),
                                        41L,
                                        "cd",
                                        "w")))
                .isEqualTo(
                        """
                        {"type":"GenerationStarted","generation_id":"g","attempt":1,"model_id":"demo","model_digest":"sha256-ab","numerics_id":"cpu-2/kv16","seed":7,"parameters":{"max_tokens":128,"temperature":0.7,"top_p":0.95},"prompt_offset":41,"body_hash":"cd","worker_id":"w"}\
                        """);
        assertThat(json(new TokensGenerated("g", 41L, 1, 0, List.of(338), " a", null, 23, "ef")))
                .isEqualTo(
                        """
                        {"type":"TokensGenerated","generation_id":"g","prompt_offset":41,"attempt":1,"index":0,"token_ids":[338],"text":" a","prompt_tokens":23,"prompt_hash":"ef"}\
                        """);
        assertThat(json(new GenerationResumed("g", 41L, 2, "w", "cpu-2/kv16")))
                .isEqualTo(
                        """
                        {"type":"GenerationResumed","generation_id":"g","prompt_offset":41,"attempt":2,"worker_id":"w","numerics_id":"cpu-2/kv16"}\
                        """);
        assertThat(
                        json(
                                new TokenEvent.GenerationFinished(
                                        "g",
                                        41L,
                                        2,
                                        "stop",
                                        null,
                                        new TokenEvent.TokenUsage(23, 61),
                                        "ab",
                                        new TokenEvent.Timings(
                                                3L, null, 41L, 902L, null, null, null, null,
                                                null))))
                .isEqualTo(
                        """
                        {"type":"GenerationFinished","generation_id":"g","prompt_offset":41,"attempt":2,"reason":"stop","usage":{"prompt_tokens":23,"completion_tokens":61},"token_hash":"ab","timings":{"queue_ms":3,"first_token_ms":41,"total_ms":902}}\
                        """);
        assertThat(
                        json(
                                new GenerationFailed(
                                        "g",
                                        41L,
                                        1,
                                        ErrorCode.MODEL_UNKNOWN,
                                        "m",
                                        new TokenEvent.TokenUsage(0, 0),
                                        null,
                                        null)))
                .isEqualTo(
                        """
                        {"type":"GenerationFailed","generation_id":"g","prompt_offset":41,"attempt":1,"code":"MODEL_UNKNOWN","message":"m","usage":{"prompt_tokens":0,"completion_tokens":0}}\
                        """);
    }

    @Test
    void aPromptOfTheDesignIsRead() throws UnreadableEventException {
        PromptSubmitted prompt =
                prompt(
                        """
                        {"type":"PromptSubmitted","generation_id":"g","model_id":"demo","messages":[{"role":"user","content":"Hi"}],"max_tokens":128,"temperature":0.7,"top_p":0.95,"seed":18446744073709551615,"stop":["x"],"deadline_ms":60000}\
                        """);

        assertThat(prompt)
                .isEqualTo(
                        PromptSubmitted.ofMessages("demo", List.of(new Message("user", "Hi")))
                                .generationId("g")
                                .maxTokens(128)
                                .temperature(0.7)
                                .topP(0.95)
                                .seed(UnsignedSeed.of(new BigInteger("18446744073709551615")))
                                .stop(List.of("x"))
                                .deadlineMs(60_000L)
                                .build());
    }

    @Test
    void aPromptTypedIntoAConsoleProducerNeedsAModelAndAText() throws UnreadableEventException {
        assertThat(prompt("{\"model_id\":\"demo\",\"prompt\":\"Once\"}"))
                .isEqualTo(PromptSubmitted.ofText("demo", "Once").build());
    }

    @Test
    void unknownFieldsAreIgnoredWhateverTheyHold() throws UnreadableEventException {
        assertThat(
                        prompt(
                                        """
                                        {"new":{"a":[1,{"b":null}]},"model_id":"demo","other":"\\ud800","prompt":"Once"}\
                                        """)
                                .modelId())
                .isEqualTo("demo");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                                                     | UNREADABLE",
                "no JSON                                                | UNREADABLE",
                "{                                                      | UNREADABLE",
                "{\"model_id\":\"m\",\"prompt\":\"p\"} x                | UNREADABLE",
                "{\"model_id\":\"m\",\"prompt\":\"p\"}{}                | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"model_id\":\"n\",\"prompt\":\"\"} | UNREADABLE",
                "{\"model_id\":\"m\",\"prompt\":NaN}                    | UNREADABLE",
                "[]                                                     | INVALID_SHAPE",
                "[\"PromptSubmitted\",{}]                               | INVALID_SHAPE",
                "\"text\"                                               | INVALID_SHAPE",
                "null                                                   | INVALID_SHAPE",
                "7                                                      | INVALID_SHAPE",
                "{}                                                     | INVALID_SHAPE",
                "{\"model_id\":\"m\"}                                   | INVALID_SHAPE",
                "{\"prompt\":\"p\"}                                     | INVALID_SHAPE",
                "{\"model_id\":null,\"prompt\":\"p\"}                   | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":[]}                   | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":[null]}               | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":\"hi\"}               | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":{\"role\":\"user\",\"content\":\"\"}} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":[{\"role\":\"user\"}]} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]} | INVALID_SHAPE",
                "{\"model_id\":7,\"prompt\":\"p\"}                      | INVALID_SHAPE",
                "{\"model_id\":true,\"prompt\":\"p\"}                   | INVALID_SHAPE",
                "{\"model_id\":[\"m\"],\"prompt\":\"p\"}                | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"\\ud800\"}            | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"\\udc00\\ud800\"}     | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":\"7\"} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":\"\"}  | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":[]}  | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":true}  | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":7.5} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"temperature\":\"1\"} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"temperature\":true} | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"stop\":\"x\"}   | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"stop\":[null]}  | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"stop\":[1]}     | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":\"1\"}   | INVALID_SHAPE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":1.5}     | INVALID_SHAPE",
                "{\"type\":7,\"model_id\":\"m\",\"prompt\":\"p\"}       | UNKNOWN_VERSION",
                "{\"type\":\"PromptSubmittedV2\",\"model_id\":\"m\",\"prompt\":\"p\"} | UNKNOWN_VERSION",
                "{\"type\":\"GenerationStarted\",\"model_id\":\"m\",\"prompt\":\"p\"} | UNKNOWN_VERSION",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":-1}      | PARAMETER_OUT_OF_RANGE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":18446744073709551616} | PARAMETER_OUT_OF_RANGE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":99999999999} | PARAMETER_OUT_OF_RANGE",
                "{\"model_id\":\"m\",\"prompt\":\"p\",\"temperature\":1e999} | PARAMETER_OUT_OF_RANGE",
            })
    void whatIsNoPromptIsRefusedByItsReason(String value, ErrorCode code) {
        assertThat(refusal(value.getBytes(StandardCharsets.UTF_8), PromptEvent.class).code())
                .isEqualTo(code);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"stop\":\"x\"               | field stop: a list is expected",
                "\"stop\":[[]]                | field stop[0]: a text is expected",
                "\"max_tokens\":1e300         | field max_tokens: a whole number is expected",
                "\"temperature\":\"1\"        | field temperature: a number is expected",
                "\"messages\":[7]             | field messages[0]: an object is expected"
            })
    void aFieldOfAnotherKindIsToldInTheTermsOfJson(String field, String message) {
        String value = "{\"model_id\":\"m\",\"prompt\":\"p\"," + field + "}";
        assertThat(refusal(value.getBytes(StandardCharsets.UTF_8), PromptEvent.class))
                .hasMessageContaining(message)
                .hasMessageNotContaining("java");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"TokensGenerated\",\"prompt_offset\":1,\"attempt\":1,\"index\":0,\"token_ids\":[]}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"attempt\":1,\"index\":0,\"token_ids\":[]}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":1,\"index\":0,\"token_ids\":[]}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"token_ids\":[]}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"index\":0}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"index\":0,\"token_ids\":[null]}",
                "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"index\":0,\"token_ids\":[\"1\"]}",
                "{\"type\":\"GenerationFinished\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"usage\":{\"prompt_tokens\":1}}",
                "{\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"index\":0,\"token_ids\":[]}",
            })
    void aTokenEventHasWhatTheRulesOfTheReaderNeed(String value) {
        assertThat(refusal(value.getBytes(StandardCharsets.UTF_8), TokenEvent.class).code())
                .isEqualTo(ErrorCode.INVALID_SHAPE);
    }

    @Test
    void aFailureWithACodeOfALaterVersionStillEndsItsGeneration() throws UnreadableEventException {
        TokenEvent event =
                EventJson.read(
                        "{\"type\":\"GenerationFailed\",\"generation_id\":\"g\",\"prompt_offset\":1,\"attempt\":1,\"code\":\"SOMETHING_NEW\"}"
                                .getBytes(StandardCharsets.UTF_8),
                        TokenEvent.class);
        assertThat(((GenerationFailed) event).code()).isEqualTo(ErrorCode.UNRECOGNIZED);
    }

    @Test
    void anyEncodingButUtf8IsUnreadable() {
        String text = "{\"model_id\":\"m\",\"prompt\":\"p\"}";
        for (var charset :
                List.of(
                        StandardCharsets.UTF_16,
                        StandardCharsets.UTF_16BE,
                        StandardCharsets.UTF_16LE,
                        StandardCharsets.UTF_32)) {
            assertThat(refusal(text.getBytes(charset), PromptEvent.class).code())
                    .as(charset.name())
                    .isEqualTo(ErrorCode.UNREADABLE);
        }
        assertThat(
                        refusal(
                                        "{\"model_id\":\"\u00e4\",\"prompt\":\"p\"}"
                                                .getBytes(StandardCharsets.ISO_8859_1),
                                        PromptEvent.class)
                                .code())
                .isEqualTo(ErrorCode.UNREADABLE);
    }

    @Test
    void depthAndSizeAreLimited() {
        String deep = "[".repeat(1_000_000);
        assertThat(refusal(("{\"x\":" + deep).getBytes(StandardCharsets.UTF_8), PromptEvent.class))
                .hasMessageContaining("nesting")
                .extracting(UnreadableEventException::code)
                .isEqualTo(ErrorCode.UNREADABLE);
        assertThat(refusal(new byte[EventJson.MAX_BYTES + 1], PromptEvent.class).code())
                .isEqualTo(ErrorCode.UNREADABLE);
        assertThat(
                        refusal(
                                        ("{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":"
                                                        + "9".repeat(1_000_000)
                                                        + "}")
                                                .getBytes(StandardCharsets.UTF_8),
                                        PromptEvent.class)
                                .code())
                .isEqualTo(ErrorCode.UNREADABLE);
        assertThat(refusal(null, PromptEvent.class).code()).isEqualTo(ErrorCode.UNREADABLE);
    }

    @Test
    void aMessageNamesTheField() {
        assertThat(
                        refusal(
                                "{\"model_id\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]}"
                                        .getBytes(StandardCharsets.UTF_8),
                                PromptEvent.class))
                .hasMessageContaining("messages[0].content");
    }

    @Test
    void headersThatContradictTheBodyAreRefused() throws UnreadableEventException {
        byte[] body = EventJson.write(PromptSubmitted.ofText("m", "p").build());
        assertThat(EventJson.read(headers(Map.of()), body, PromptEvent.class).type())
                .isEqualTo("PromptSubmitted");
        assertThat(
                        EventJson.read(
                                headers(Map.of("type", "PromptSubmitted", "schema-version", "1")),
                                body,
                                PromptEvent.class))
                .isInstanceOf(PromptSubmitted.class);
        assertThatThrownBy(() ->
                        EventJson.read(
                                headers(Map.of("schema-version", "2")), body, PromptEvent.class))
                .isInstanceOfSatisfying(
                        UnreadableEventException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.UNKNOWN_VERSION));
        assertThatThrownBy(() ->
                        EventJson.read(
                                headers(Map.of("type", "GenerationStarted")),
                                body,
                                PromptEvent.class))
                .isInstanceOfSatisfying(
                        UnreadableEventException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_SHAPE));
    }

    @Test
    void anIdIsFoundInWhatIsJsonOfAnotherShape() {
        assertThat(id("{\"model_id\":7,\"generation_id\":\"g\",\"x\":{\"generation_id\":\"h\"}}"))
                .contains("g");
        assertThat(id("{\"x\":{\"generation_id\":\"h\"}}")).isEmpty();
        assertThat(id("{\"generation_id\":7}")).isEmpty();
        assertThat(id("{\"generation_id\":\"g\"")).isEmpty();
        assertThat(id("{\"generation_id\":\"\\ud800\"}")).isEmpty();
        assertThat(id("[\"generation_id\",\"g\"]")).isEmpty();
        assertThat(id("")).isEmpty();
    }

    @Test
    void whatJsonCannotCarryIsNotWritten() {
        assertThatThrownBy(() ->
                        EventJson.write(
                                PromptSubmitted.ofText("m", "p").temperature(Double.NaN).build()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> EventJson.write(PromptSubmitted.ofText("m", "\ud800").build()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> EventJson.write(PromptSubmitted.ofText(null, "p").build()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("model_id");
    }

    /// Whatever the bytes: an event, or the one exception. What was read can be written and read
    /// again.
    @Test
    void hostileBytesEndInAnEventOrInTheException() {
        List<String> seeds =
                List.of(
                        "{\"type\":\"PromptSubmitted\",\"generation_id\":\"g\",\"model_id\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hällo 😀\"}],\"max_tokens\":128,\"temperature\":0.7,\"seed\":7,\"stop\":[\"x\"]}",
                        "{\"type\":\"TokensGenerated\",\"generation_id\":\"g\",\"prompt_offset\":41,\"attempt\":1,\"index\":0,\"token_ids\":[338],\"text\":\" a\",\"logprobs\":[{\"token_id\":1,\"logprob\":-1.5,\"top\":[]}]}",
                        "{\"type\":\"ModelServing\",\"model_id\":\"m\",\"state\":\"SERVING\",\"versions\":[{\"model_digest\":\"d\",\"state\":\"CANDIDATE\",\"bits_per_weight\":4.5,\"bytes\":1,\"context_length\":1}]}");
        String[] pieces = {
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "null",
            "true",
            "-1",
            "1e400",
            "\"type\"",
            "\\ud83d",
            "99999999999999999999",
            "\u0000",
            "\"\"",
            "{\"a\":",
            "/*",
            "NaN",
            "0.0",
            "\\u0000"
        };
        int read = 0;
        for (long seed = 0; seed < 10_000; seed++) {
            Random random = new Random(seed);
            byte[] value = mutated(seeds.get(random.nextInt(seeds.size())), pieces, random);
            for (Topic topic : List.of(Topic.PROMPTS, Topic.TOKENS, Topic.MODEL_REGISTRY)) {
                Class<? extends Event> payload = topic.payload().orElseThrow();
                try {
                    Event event = EventJson.read(value, payload);
                    assertThat(EventJson.read(EventJson.write(event), payload))
                            .as("seed %d", seed)
                            .isEqualTo(event);
                    read++;
                } catch (UnreadableEventException expected) {
                    assertThat(expected.getMessage()).as("seed %d", seed).isNotBlank();
                }
            }
            EventJson.textField(value, "generation_id");
        }
        assertThat(read).as("events among the mutations").isGreaterThan(200);
    }

    private static byte[] mutated(String seed, String[] pieces, Random random) {
        byte[] value = seed.getBytes(StandardCharsets.UTF_8);
        for (int i = random.nextInt(4); i >= 0; i--) {
            int at = random.nextInt(value.length + 1);
            value =
                    switch (random.nextInt(4)) {
                        case 0 -> spliced(value, at, at, pieces[random.nextInt(pieces.length)]);
                        case 1 ->
                                spliced(
                                        value,
                                        at,
                                        Math.min(value.length, at + random.nextInt(12)),
                                        "");
                        case 2 ->
                                spliced(
                                        value,
                                        at,
                                        Math.min(value.length, at + random.nextInt(6)),
                                        pieces[random.nextInt(pieces.length)]);
                        default -> {
                            byte[] changed = value.clone();
                            if (changed.length > 0) {
                                changed[random.nextInt(changed.length)] = (byte) random.nextInt();
                            }
                            yield changed;
                        }
                    };
        }
        return value;
    }

    private static byte[] spliced(byte[] value, int from, int to, String piece) {
        byte[] middle = piece.getBytes(StandardCharsets.UTF_8);
        byte[] result = new byte[value.length - (to - from) + middle.length];
        System.arraycopy(value, 0, result, 0, from);
        System.arraycopy(middle, 0, result, from, middle.length);
        System.arraycopy(value, to, result, from + middle.length, value.length - to);
        return result;
    }

    private static PromptSubmitted prompt(String json) throws UnreadableEventException {
        return (PromptSubmitted)
                EventJson.read(json.getBytes(StandardCharsets.UTF_8), PromptEvent.class);
    }

    private static UnreadableEventException refusal(byte[] value, Class<? extends Event> payload) {
        UnreadableEventException refusal =
                catchThrowableOfType(
                        UnreadableEventException.class, () -> EventJson.read(value, payload));
        assertThat(refusal).isNotNull();
        return refusal;
    }

    private static java.util.Optional<String> id(String json) {
        return EventJson.textField(json.getBytes(StandardCharsets.UTF_8), "generation_id");
    }

    private static Headers headers(Map<String, String> values) {
        RecordHeaders headers = new RecordHeaders();
        values.forEach((name, text) -> EventHeaders.set(headers, name, text));
        return headers;
    }

    private static String json(Event event) {
        return new String(EventJson.write(event), StandardCharsets.UTF_8);
    }
}
