package dev.tokenlog.contracts;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/// The AsyncAPI 3 description of the topics, derived from [Topic] and [Participant].
final class AsyncApi {

    private static final String KAFKA_BINDING = "0.5.0";

    private AsyncApi() {}

    static ObjectNode document() {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        root.put("asyncapi", "3.0.0");
        root.putObject("info")
                .put("title", "Tokenlog")
                .put("version", Integer.toString(EventJson.SCHEMA_VERSION))
                .put(
                        "description",
                        "Language-model inference on a Kafka log: every topic and event.")
                .putObject("license")
                .put("name", "Apache-2.0")
                .put("url", "https://www.apache.org/licenses/LICENSE-2.0.txt");
        root.put("defaultContentType", "application/json");
        ObjectNode channels = root.putObject("channels");
        for (Topic topic : Topic.values()) {
            channels.set(topic.baseName(), channel(topic));
        }
        ObjectNode operations = root.putObject("operations");
        for (Participant participant : Participant.values()) {
            for (Topic topic : Topic.values()) {
                if (participant.reads().contains(topic)) {
                    operation(operations, participant, "receive", topic);
                }
                if (participant.writes().contains(topic)) {
                    operation(operations, participant, "send", topic);
                }
            }
        }
        root.set("components", components());
        return root;
    }

    private static ObjectNode channel(Topic topic) {
        ObjectNode channel = JsonNodeFactory.instance.objectNode();
        channel.put("address", topic.baseName());
        channel.put("description", "Key: %s. %s".formatted(topic.key(), partitions(topic)));
        ObjectNode messages = channel.putObject("messages");
        if (topic.payload().isPresent()) {
            for (Class<? extends Event> type : EventTypes.of(topic.payload().get())) {
                messages.set(type.getSimpleName(), reference("messages", type.getSimpleName()));
            }
        } else {
            messages.set("DeadLetter", reference("messages", "DeadLetter"));
        }
        ObjectNode kafka = channel.putObject("bindings").putObject("kafka");
        kafka.put("topic", topic.baseName());
        if (topic.spread() == Topic.Spread.ONE_PARTITION) {
            kafka.put("partitions", 1);
        }
        ObjectNode configuration = kafka.putObject("topicConfiguration");
        ArrayNode cleanup = configuration.putArray("cleanup.policy");
        for (String policy : topic.kept().cleanupPolicy().split(",")) {
            cleanup.add(policy);
        }
        configuration.put(
                "retention.ms", topic.kept().retention().map(age -> age.toMillis()).orElse(-1L));
        topic.recordLimit().ifPresent(limit -> configuration.put("max.message.bytes", limit));
        kafka.put("bindingVersion", KAFKA_BINDING);
        return channel;
    }

    private static String partitions(Topic topic) {
        return switch (topic.spread()) {
            case ONE_PARTITION -> "One partition.";
            case CONFIGURED ->
                    "As many partitions as the operator chooses, prompts and tokens alike.";
        };
    }

    private static void operation(
            ObjectNode operations, Participant participant, String action, Topic topic) {
        String who = participant.name().toLowerCase(Locale.ROOT).replace('_', '-');
        ObjectNode operation =
                operations.putObject("%s.%s.%s".formatted(who, action, topic.baseName()));
        operation.put("action", action);
        operation.putObject("channel").put("$ref", "#/channels/" + topic.baseName());
    }

    private static ObjectNode components() {
        ObjectNode components = JsonNodeFactory.instance.objectNode();
        ObjectNode messages = components.putObject("messages");
        EventSchemas.types()
                .forEach((topic, types) ->
                        types.forEach(
                                type -> messages.set(type.getSimpleName(), message(topic, type))));
        ObjectNode letter = messages.putObject("DeadLetter");
        letter.put("title", "A record that was given up: the original's bytes");
        letter.put("contentType", "application/octet-stream");
        ObjectNode headers =
                letter.putObject("headers").put("type", "object").putObject("properties");
        for (String name :
                new String[] {
                    DeadLetter.TOPIC,
                    DeadLetter.PARTITION,
                    DeadLetter.OFFSET,
                    DeadLetter.REASON,
                    DeadLetter.MESSAGE,
                    DeadLetter.ATTEMPT
                }) {
            headers.putObject(name).put("type", "string");
        }
        ObjectNode event = components.putObject("messageTraits").putObject("event");
        ObjectNode eventHeaders =
                event.putObject("headers").put("type", "object").putObject("properties");
        eventHeaders.putObject(EventHeaders.TYPE).put("type", "string");
        eventHeaders.putObject(EventHeaders.SCHEMA_VERSION).put("type", "string");
        eventHeaders.putObject(EventHeaders.TRACEPARENT).put("type", "string");
        return components;
    }

    private static ObjectNode message(Topic topic, Class<? extends Event> type) {
        ObjectNode message = JsonNodeFactory.instance.objectNode();
        message.put("name", type.getSimpleName());
        message.putObject("payload").put("$ref", "schema/" + EventSchemas.fileName(type));
        message.putArray("traits").add(reference("messageTraits", "event"));
        ObjectNode kafka = message.putObject("bindings").putObject("kafka");
        kafka.putObject("key").put("type", "string").put("description", topic.key());
        kafka.put("bindingVersion", KAFKA_BINDING);
        return message;
    }

    private static ObjectNode reference(String kind, String name) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("$ref", "#/components/%s/%s".formatted(kind, name));
    }
}
