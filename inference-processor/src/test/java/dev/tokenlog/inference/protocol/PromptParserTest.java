package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PromptParserTest {

    private final PromptParser parser =
            new PromptParser(new WorkerSettings.PromptDefaults(128, 0.7, 40, 0.9));

    private static PromptRecord record(String json, RecordHeaders headers) {
        return new PromptRecord(3, 17, 0, null, json.getBytes(StandardCharsets.UTF_8), headers);
    }

    private ParsedPrompt parse(String json) {
        return parser.parse(record(json, new RecordHeaders()));
    }

    private static String with(String field) {
        return "{\"model_id\":\"m\",\"prompt\":\"p\"," + field + "}";
    }

    @Test
    void fillsInWhatIsMissing() {
        ParsedPrompt parsed = parse("{\"model_id\":\"m\",\"prompt\":\"p\"}");
        assertThat(parsed.refusal()).isEmpty();
        assertThat(parsed.generationId()).isEqualTo("3-17");
        assertThat(parsed.parameters().maxTokens()).isEqualTo(128);
        assertThat(parsed.parameters().temperature()).isEqualTo(0.7);
        assertThat(parsed.parameters().topK()).isEqualTo(40);
        assertThat(parsed.parameters().stop()).isEmpty();
        assertThat(parsed.parameters().logprobs()).isNull();
    }

    /// Of a start that somebody else wrote, as the one in `docs/events.md` stands there.
    @Test
    void whatAStartDoesNotSayDoesNothing() {
        assertThat(
                        parser.completed(
                                new Parameters(
                                        12, 0.7, null, 0.95, null, null, null, null, null, null,
                                        null, null)))
                .isEqualTo(
                        new Parameters(
                                12, 0.7, 0, 0.95, 0.0, 1.0, 0.0, 0.0, List.of(), null, null, 0));
    }

    /// Oracle: `printf %s 3-17 | sha256sum`, the first 53 bits as a number.
    @Test
    void theSeedOfAPromptWithoutOneComesFromItsId() {
        assertThat(parse("{\"model_id\":\"m\",\"prompt\":\"p\"}").seed().bits())
                .isEqualTo(SEED_OF_3_17);
        assertThat(parse(with("\"seed\":18446744073709551615")).seed().bits()).isEqualTo(-1L);
    }

    private static final long SEED_OF_3_17 = 6665433317640200L;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"max_tokens\":0",
                "\"temperature\":-0.1",
                "\"temperature\":2.1",
                "\"top_k\":-1",
                "\"top_p\":0",
                "\"top_p\":1.5",
                "\"min_p\":-1",
                "\"repetition_penalty\":0",
                "\"presence_penalty\":3",
                "\"frequency_penalty\":-3",
                "\"logprobs\":21",
                "\"deadline_ms\":0",
                "\"stop\":[\"\"]",
                "\"seed\":-1",
                "\"max_tokens\":99999999999"
            })
    void refusesParametersOutOfRange(String field) {
        ParsedPrompt parsed = parse(with(field));
        assertThat(parsed.refusal().orElseThrow().code())
                .isEqualTo(ErrorCode.PARAMETER_OUT_OF_RANGE);
        assertThat(parsed.parameters()).isNull();
        assertThat(parsed.generationId()).isEqualTo("3-17");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "nonsense                                                     | UNREADABLE      | ",
                "[1,2]                                                        | INVALID_SHAPE   | 3-17",
                "{\"model_id\":\"m\"}                                         | INVALID_SHAPE   | 3-17",
                "{\"generation_id\":\"g\",\"model_id\":7}                     | INVALID_SHAPE   | g",
                "{\"generation_id\":\"g\",\"type\":\"PromptSubmittedV9\"}     | UNKNOWN_VERSION | g",
                "{\"generation_id\":\"3-4\",\"model_id\":\"m\",\"prompt\":\"p\"} | INVALID_ID   | 3-17",
                "{\"generation_id\":\"  \",\"model_id\":\"m\",\"prompt\":\"p\"}  | INVALID_ID   | 3-17"
            })
    void keepsTheBytesOfWhatItCannotTake(String json, ErrorCode code, String answeredUnder) {
        ParsedPrompt parsed = parse(json);
        assertThat(parsed.refusal().orElseThrow().code()).isEqualTo(code);
        assertThat(parsed.refusal().orElseThrow().deadLetter()).isTrue();
        assertThat(parsed.generationId()).isEqualTo(answeredUnder);
    }

    @Test
    void doesNotRepeatWhatIsTooLongForEveryTokenEvent() {
        RecordHeaders headers = new RecordHeaders();
        headers.add("x-big", new byte[PromptParser.MAX_CALLER_HEADERS + 1]);
        ParsedPrompt big = parser.parse(record("{\"model_id\":\"m\",\"prompt\":\"p\"}", headers));
        assertThat(big.refusal().orElseThrow().code()).isEqualTo(ErrorCode.TOO_LARGE);
        assertThat(big.passHeaders()).isFalse();

        ParsedPrompt name =
                parse("{\"model_id\":\"%s\",\"prompt\":\"p\"}".formatted("m".repeat(500)));
        assertThat(name.refusal().orElseThrow().code()).isEqualTo(ErrorCode.MODEL_UNKNOWN);
        assertThat(name.modelId()).isNull();
    }
}
