package dev.tokenlog.integration;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.contracts.Event;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/// Records that nobody should send: bytes that are no JSON, and events with one thing wrong. The
/// same seed gives the same records.
final class RecordFuzzer {

    /// @param key may be null
    /// @param value may be null
    record Fuzzed(String key, byte[] value, Header[] headers, String what) {}

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /// What may stand where something else belongs.
    private static final List<JsonNode> STRANGE =
            List.of(
                    NODES.nullNode(),
                    NODES.booleanNode(true),
                    NODES.numberNode(-1),
                    NODES.numberNode(1e308),
                    NODES.numberNode(new java.math.BigInteger("9".repeat(60))),
                    NODES.textNode(""),
                    NODES.textNode("\u0000\ud800"),
                    NODES.textNode("../../etc/passwd"),
                    NODES.textNode("x".repeat(300_000)),
                    NODES.arrayNode(),
                    NODES.arrayNode().add(NODES.nullNode()),
                    NODES.objectNode());

    private final Random random;
    private int number;

    RecordFuzzer(long seed) {
        random = new Random(seed);
    }

    /// Any of these events, broken in any way.
    Fuzzed next(String... types) {
        number++;
        ObjectNode event = sample(types[random.nextInt(types.length)]);
        String key = random.nextInt(4) == 0 ? null : "fuzz-" + random.nextInt(5);
        return switch (random.nextInt(11)) {
            case 0 -> fuzzed(key, bytes(random.nextInt(64)), "bytes");
            case 1 -> fuzzed(key, null, "no value");
            case 2 -> fuzzed(key, new byte[0], "an empty value");
            case 3 -> {
                byte[] whole = bytes(event);
                yield fuzzed(
                        key, Arrays.copyOf(whole, random.nextInt(whole.length)), "a beginning");
            }
            case 4 -> {
                byte[] whole = bytes(event);
                whole[random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
                yield fuzzed(key, whole, "a bit turned");
            }
            case 5 -> {
                String name = name(event);
                event.remove(name);
                yield fuzzed(key, bytes(event), "without " + name);
            }
            case 6 -> fuzzed(key, bytes(event.put("type", "Unheard")), "an unknown type");
            case 7 ->
                    new Fuzzed(
                            key,
                            bytes(event),
                            new Header[] {
                                new RecordHeader("type", bytes(3)),
                                new RecordHeader("schema-version", "99".getBytes()),
                                new RecordHeader("traceparent", new byte[0]),
                                new RecordHeader("x-null", null)
                            },
                            "strange headers");
            case 8 -> fuzzed(key, ("[".repeat(20_000)).getBytes(), "deep nesting");
            default -> {
                String name = name(event);
                JsonNode strange = STRANGE.get(random.nextInt(STRANGE.size()));
                event.set(name, strange);
                yield fuzzed(key, bytes(event), name + " is a strange " + strange.getNodeType());
            }
        };
    }

    private static Fuzzed fuzzed(String key, byte[] value, String what) {
        return new Fuzzed(key, value, new Header[0], what);
    }

    /// A frozen sample under names of its own, so that it means nothing that is there.
    private ObjectNode sample(String type) {
        ObjectNode event = read(type);
        for (String id : List.of("generation_id", "conversion_id", "validation_id", "replay_id")) {
            if (event.has(id)) {
                event.put(id, "fuzz-%d-%s".formatted(number, type));
            }
        }
        event.put("model_id", "fuzz-model");
        if (event.has("source")) {
            event.put("source", "/nowhere/fuzz");
        }
        return event;
    }

    private static ObjectNode read(String type) {
        try (InputStream in = Event.class.getResourceAsStream("sample/" + type + ".v1.json")) {
            return (ObjectNode) JSON.readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String name(ObjectNode event) {
        List<String> names = new ArrayList<>();
        event.fieldNames().forEachRemaining(names::add);
        return names.get(random.nextInt(names.size()));
    }

    private static byte[] bytes(ObjectNode event) {
        return event.toString().getBytes(StandardCharsets.UTF_8);
    }

    private byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }
}
