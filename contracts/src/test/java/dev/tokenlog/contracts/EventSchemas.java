package dev.tokenlog.contracts;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The JSON Schema (2020-12) of every event, derived from its record. Fields that a schema does not
/// know are allowed: readers ignore them.
final class EventSchemas {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private static final PropertyNamingStrategies.SnakeCaseStrategy NAMES =
            new PropertyNamingStrategies.SnakeCaseStrategy();

    private EventSchemas() {}

    /// Every type, by the topic that carries it.
    static Map<Topic, List<Class<? extends Event>>> types() {
        Map<Topic, List<Class<? extends Event>>> types = new LinkedHashMap<>();
        for (Topic topic : Topic.values()) {
            topic.payload().ifPresent(payload -> types.put(topic, EventTypes.of(payload)));
        }
        return types;
    }

    static String fileName(Class<? extends Event> type) {
        return "%s.v%d.schema.json".formatted(type.getSimpleName(), EventJson.SCHEMA_VERSION);
    }

    static ObjectNode schema(Topic topic, Class<? extends Event> type) {
        ObjectNode schema = NODES.objectNode();
        schema.put("$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.put(
                "$id",
                "urn:tokenlog:event:%s:%d"
                        .formatted(type.getSimpleName(), EventJson.SCHEMA_VERSION));
        schema.put("title", type.getSimpleName());
        schema.put(
                "description",
                "A value on the topic %s, key: %s.".formatted(topic.baseName(), topic.key()));
        ObjectNode body = record(type);
        ObjectNode properties = NODES.objectNode();
        properties.putObject("type").put("const", type.getSimpleName());
        properties.setAll((ObjectNode) body.get("properties"));
        body.set("properties", properties);
        if (type == PromptEvent.PromptSubmitted.class) {
            // Typed by hand it may lack the type, and it has one of two texts.
            ArrayNode oneOf = body.putArray("oneOf");
            oneOf.addObject().putArray("required").add("messages");
            oneOf.addObject().putArray("required").add("prompt");
            ((ObjectNode) properties.get("messages")).put("minItems", 1);
        } else {
            ArrayNode required = NODES.arrayNode().add("type");
            required.addAll((ArrayNode) body.get("required"));
            body.set("required", required);
        }
        schema.setAll(body);
        return schema;
    }

    private static ObjectNode record(Class<?> type) {
        ObjectNode node = NODES.objectNode();
        node.put("type", "object");
        ObjectNode properties = node.putObject("properties");
        ArrayNode required = NODES.arrayNode();
        for (RecordComponent component : type.getRecordComponents()) {
            String name = NAMES.translate(component.getName());
            properties.set(name, value(component.getGenericType()));
            if (component.getType().isPrimitive()
                    || component.isAnnotationPresent(Required.class)) {
                required.add(name);
            }
        }
        node.set("required", required);
        return node;
    }

    private static ObjectNode value(Type type) {
        ObjectNode node = NODES.objectNode();
        if (type instanceof ParameterizedType list && list.getRawType() == List.class) {
            node.put("type", "array");
            node.set("items", value(list.getActualTypeArguments()[0]));
        } else if (type == String.class) {
            node.put("type", "string");
        } else if (type == boolean.class || type == Boolean.class) {
            node.put("type", "boolean");
        } else if (type == int.class || type == Integer.class) {
            node.put("type", "integer");
            node.put("minimum", Integer.MIN_VALUE).put("maximum", Integer.MAX_VALUE);
        } else if (type == long.class || type == Long.class) {
            node.put("type", "integer");
            node.put("minimum", Long.MIN_VALUE).put("maximum", Long.MAX_VALUE);
        } else if (type == double.class || type == Double.class) {
            node.put("type", "number");
        } else if (type == UnsignedSeed.class) {
            node.put("type", "integer").put("minimum", 0);
            node.put("maximum", BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE));
        } else if (type instanceof Class<?> c && c.isEnum()) {
            node.put("type", "string");
            ArrayNode names = node.putArray("enum");
            Arrays.stream(c.getEnumConstants())
                    .filter(constant -> constant != ErrorCode.UNRECOGNIZED)
                    .forEach(constant -> names.add(((Enum<?>) constant).name()));
        } else if (type instanceof Class<?> c && c.isRecord()) {
            return record(c);
        } else {
            throw new IllegalStateException("no schema for the Java type " + type);
        }
        return node;
    }
}
