package dev.tokenlog.contracts;

import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serializer;

/// Writes events, and their `type` and `schema-version` into the record's headers. A null is a
/// tombstone.
public final class EventSerializer<E extends Event> implements Serializer<E> {

    @Override
    public byte[] serialize(String topic, E event) {
        return event == null ? null : EventJson.write(event);
    }

    @Override
    public byte[] serialize(String topic, Headers headers, E event) {
        if (event != null) {
            EventHeaders.describe(event, headers);
        }
        return serialize(topic, event);
    }
}
