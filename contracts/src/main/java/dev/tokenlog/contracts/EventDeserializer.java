package dev.tokenlog.contracts;

import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;

/// Reads events without ever throwing out of `poll`. A null (tombstone) stays a null.
///
/// Where Kafka makes the object from its class name, the setting [#TOPIC_SETTING] names the topic
/// (without prefix) whose events it reads.
public final class EventDeserializer<E extends Event> implements Deserializer<ReadEvent<E>> {

    /// The base name of the topic, for instance `prompts`.
    public static final String TOPIC_SETTING = "tokenlog.topic";

    private Class<E> payload;

    public EventDeserializer() {}

    public EventDeserializer(Class<E> payload) {
        this.payload = payload;
    }

    @Override
    @SuppressWarnings("unchecked")
    public void configure(Map<String, ?> settings, boolean isKey) {
        if (payload != null) {
            return;
        }
        Object name = settings.get(TOPIC_SETTING);
        for (Topic topic : Topic.values()) {
            if (topic.baseName().equals(name) && topic.payload().isPresent()) {
                payload = (Class<E>) topic.payload().get();
                return;
            }
        }
        throw new ConfigException(TOPIC_SETTING, name, "is no topic that holds events");
    }

    @Override
    public ReadEvent<E> deserialize(String topic, byte[] value) {
        return deserialize(topic, new RecordHeaders(), value);
    }

    @Override
    public ReadEvent<E> deserialize(String topic, Headers headers, byte[] value) {
        if (value == null) {
            return null;
        }
        try {
            return new ReadEvent.Readable<>(EventJson.read(headers, value, payload));
        } catch (UnreadableEventException reason) {
            return new ReadEvent.Unreadable<>(value, reason);
        }
    }
}
