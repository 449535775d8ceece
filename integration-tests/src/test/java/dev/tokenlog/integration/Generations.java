package dev.tokenlog.integration;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What a reader that knows only docs/events.md makes of a dump of the token topic. Written apart
/// from the classes under test, so that both would have to be wrong in the same way.
final class Generations {

    /// One generation after the last record of a dump.
    static final class Generation {
        final List<Integer> tokens = new ArrayList<>();
        final StringBuilder text = new StringBuilder();
        int attempt;

        /// Whose attempt it is.
        String worker;

        ObjectNode start;
        ObjectNode end;

        String endType() {
            return end == null ? null : end.path("type").asText();
        }

        String code() {
            return end == null ? null : end.path("code").asText(null);
        }

        @Override
        public String toString() {
            return "attempt " + attempt + ", tokens " + tokens + ", end " + end;
        }
    }

    private final Map<String, Generation> byId = new LinkedHashMap<>();

    static Generations of(TopicDump dump) {
        Generations generations = new Generations();
        dump.events().forEach(generations::take);
        return generations;
    }

    private void take(ObjectNode event) {
        String id = event.path("generation_id").asText();
        Generation generation = byId.computeIfAbsent(id, _ -> new Generation());
        int attempt = event.path("attempt").asInt();
        if (generation.end != null) {
            return;
        }
        switch (event.path("type").asText()) {
            case "GenerationStarted", "GenerationResumed" -> {
                if (attempt == generation.attempt + 1) {
                    generation.attempt = attempt;
                    generation.worker = event.path("worker_id").asText();
                    generation.start = generation.start == null ? event : generation.start;
                }
            }
            case "TokensGenerated" -> {
                if (attempt == generation.attempt
                        && event.path("index").asInt() == generation.tokens.size()) {
                    for (JsonNode token : event.path("token_ids")) {
                        generation.tokens.add(token.asInt());
                    }
                    generation.text.append(event.path("text").asText(""));
                }
            }
            default -> {
                if (attempt == generation.attempt) {
                    generation.end = event;
                }
            }
        }
    }

    Map<String, Generation> byId() {
        return byId;
    }

    Generation get(String id) {
        Generation found = byId.get(id);
        if (found == null) {
            throw new AssertionError(
                    "the token topic holds nothing of " + id + ", only " + byId.keySet());
        }
        return found;
    }

    static String hash(List<Integer> tokens) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * tokens.size()).order(ByteOrder.LITTLE_ENDIAN);
        tokens.forEach(bytes::putInt);
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
        } catch (NoSuchAlgorithmException missing) {
            throw new AssertionError("every Java has SHA-256", missing);
        }
    }
}
