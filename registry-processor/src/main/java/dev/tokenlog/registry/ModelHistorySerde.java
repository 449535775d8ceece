package dev.tokenlog.registry;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/// [ModelHistory] as JSON, in the state store and its changelog.
final class ModelHistorySerde implements Serde<ModelHistory> {

    private static final ObjectMapper MAPPER =
            JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .serializationInclusion(JsonInclude.Include.NON_NULL)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .build();

    @Override
    public Serializer<ModelHistory> serializer() {
        return (topic, history) -> {
            try {
                return history == null ? null : MAPPER.writeValueAsBytes(history);
            } catch (JsonProcessingException e) {
                throw new SerializationException(topic + ": " + e.getMessage(), e);
            }
        };
    }

    @Override
    public Deserializer<ModelHistory> deserializer() {
        return (topic, bytes) -> {
            try {
                return bytes == null ? null : MAPPER.readValue(bytes, ModelHistory.class);
            } catch (IOException e) {
                throw new SerializationException(topic + ": " + e.getMessage(), e);
            }
        };
    }
}
