package dev.tokenlog.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import java.io.IOException;
import java.util.regex.Pattern;

/// The JSON that commands print: snake_case, nothing that is null, one document a line.
final class Json {

    private static final ObjectMapper MAPPER =
            JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .defaultPropertyInclusion(
                            JsonInclude.Value.construct(
                                    JsonInclude.Include.NON_ABSENT, JsonInclude.Include.ALWAYS))
                    .configure(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN, true)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    /// Halves of a pair that stand alone: UTF-8 has no bytes for them.
    private static final Pattern LONE_SURROGATE = Pattern.compile("\\p{Cs}");

    private Json() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    static JsonNode of(Object value) {
        return MAPPER.valueToTree(value);
    }

    /// An event exactly as it stands on its topic.
    static JsonNode of(Event event) {
        try {
            return MAPPER.readTree(EventJson.write(event));
        } catch (IOException e) {
            throw new IllegalStateException("our own JSON cannot be read", e);
        }
    }

    /// One line that UTF-8 can carry: what it cannot is escaped.
    static String text(JsonNode node) {
        try {
            return LONE_SURROGATE
                    .matcher(MAPPER.writeValueAsString(node))
                    .replaceAll(half -> "\\\\u%04x".formatted((int) half.group().charAt(0)));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree cannot be written", e);
        }
    }

    /// @param text one JSON document and nothing after it
    /// @throws CommandFailure naming what was expected
    static JsonNode read(String text, String what) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE,
                    "%s is not JSON: %s".formatted(what, e.getOriginalMessage()),
                    e);
        }
    }
}
