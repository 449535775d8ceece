package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class SerdesTest {

    private static final PromptSubmitted PROMPT = PromptSubmitted.ofText("m", "p").build();

    @Test
    void aSerializerDescribesTheEventInTheHeaders() {
        RecordHeaders headers = new RecordHeaders();
        byte[] value = new EventSerializer<>().serialize("prompts", headers, PROMPT);

        assertThat(EventHeaders.text(headers, "type")).contains("PromptSubmitted");
        assertThat(EventHeaders.text(headers, "schema-version")).contains("1");
        assertThat(deserializer().deserialize("prompts", headers, value))
                .isEqualTo(new ReadEvent.Readable<>(PROMPT));
    }

    @Test
    void whatCannotBeReadIsAResultAndNoException() {
        byte[] value = {1, 2, 3};
        assertThat(deserializer().deserialize("prompts", value))
                .isInstanceOfSatisfying(
                        ReadEvent.Unreadable.class,
                        unreadable -> {
                            assertThat(unreadable.value()).isEqualTo(value);
                            assertThat(unreadable.reason().code()).isEqualTo(ErrorCode.UNREADABLE);
                        });
    }

    @Test
    void aTombstoneStaysOne() {
        assertThat(new EventSerializer<>().serialize("model-manifests", null)).isNull();
        assertThat(deserializer().deserialize("prompts", null)).isNull();
    }

    @Test
    void aDeserializerMadeByNameIsToldItsTopic() {
        try (EventDeserializer<PromptEvent> deserializer = new EventDeserializer<>()) {
            deserializer.configure(Map.of(EventDeserializer.TOPIC_SETTING, "prompts"), false);
            assertThat(deserializer.deserialize("x.prompts", EventJson.write(PROMPT)))
                    .isEqualTo(new ReadEvent.Readable<PromptEvent>(PROMPT));
        }
        try (EventDeserializer<PromptEvent> deserializer = new EventDeserializer<>()) {
            assertThatThrownBy(() -> deserializer.configure(Map.of(), false))
                    .isInstanceOf(ConfigException.class);
            assertThatThrownBy(() ->
                            deserializer.configure(
                                    Map.of(EventDeserializer.TOPIC_SETTING, "dead-letters"), false))
                    .isInstanceOf(ConfigException.class);
        }
    }

    @Test
    void theSerdeOfStreamsSaysWhatItCannotRead() {
        EventSerde<PromptEvent> serde = EventSerde.of(PromptEvent.class);
        assertThat(
                        serde.deserializer()
                                .deserialize(
                                        "prompts", serde.serializer().serialize("prompts", PROMPT)))
                .isEqualTo(PROMPT);
        assertThatThrownBy(() ->
                        serde.deserializer()
                                .deserialize("prompts", "[]".getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(SerializationException.class)
                .hasMessageContaining("prompts");
    }

    @Test
    void callersHeadersArePassedOnAndNoOthers() {
        RecordHeaders prompt = new RecordHeaders();
        for (String name : new String[] {"type", "traceparent", "x-tenant", "X-Id", "other"}) {
            EventHeaders.set(prompt, name, "value");
        }
        RecordHeaders tokens = new RecordHeaders();
        EventHeaders.pass(prompt, tokens);
        assertThat(tokens)
                .extracting(header -> header.key())
                .containsExactly("traceparent", "x-tenant", "X-Id");
    }

    private static EventDeserializer<PromptEvent> deserializer() {
        return new EventDeserializer<>(PromptEvent.class);
    }
}
