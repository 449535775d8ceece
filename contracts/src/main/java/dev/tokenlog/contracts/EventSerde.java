package dev.tokenlog.contracts;

import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/// Events for Kafka Streams. What cannot be read is a [SerializationException], for which Streams
/// has its own handler.
public final class EventSerde<E extends Event> implements Serde<E> {

    private final Class<E> payload;

    private EventSerde(Class<E> payload) {
        this.payload = payload;
    }

    public static <E extends Event> EventSerde<E> of(Class<E> payload) {
        return new EventSerde<>(payload);
    }

    @Override
    public Serializer<E> serializer() {
        return new EventSerializer<>();
    }

    @Override
    public Deserializer<E> deserializer() {
        return new Deserializer<>() {
            @Override
            public E deserialize(String topic, byte[] value) {
                return deserialize(topic, new RecordHeaders(), value);
            }

            @Override
            public E deserialize(String topic, Headers headers, byte[] value) {
                if (value == null) {
                    return null;
                }
                try {
                    return EventJson.read(headers, value, payload);
                } catch (UnreadableEventException e) {
                    throw new SerializationException("topic " + topic + ": " + e.getMessage(), e);
                }
            }
        };
    }
}
