package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/// What a reader that knows only `docs/events.md` makes of one generation. Written apart from the
/// classes that it judges, so that both would have to be wrong in the same way.
final class RawGeneration {

    /// @param id the name that the client chose
    record Name(String id, int partition, long promptOffset) {}

    private final Name name;
    private final List<Integer> tokens = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final List<Resumption> resumptions = new ArrayList<>();
    private final Map<Integer, String> misplaced = new HashMap<>();
    private final Map<Integer, BitSet> written = new HashMap<>();
    private final BitSet alive = new BitSet();
    private ObjectNode start;
    private ObjectNode end;
    private long endTime;
    private int attempt;
    private int voidEvents;
    private long lastTokenTime = -1;

    /// @param from append time of the last tokens before the claim, -1 without
    /// @param to append time of the first tokens after it, -1 as long as there are none
    record Resumption(int attempt, long from, long claimed, long to) {}

    RawGeneration(Name name) {
        this.name = name;
    }

    void take(ObjectNode event, long appendTime) {
        String type = event.path("type").asText();
        int number = event.path("attempt").asInt();
        switch (type) {
            case "GenerationStarted", "GenerationResumed" -> claim(event, type, number, appendTime);
            case "TokensGenerated" -> tokens(event, number, appendTime);
            case "GenerationFinished", "GenerationFailed", "GenerationCancelled" ->
                    end(event, type, number, appendTime);
            default -> problems.add("an event of type '" + type + "'");
        }
    }

    private void claim(ObjectNode event, String type, int number, long appendTime) {
        if (end != null || number != attempt + 1) {
            voidEvents++;
            return;
        }
        if (type.equals("GenerationStarted") != (number == 1)) {
            problems.add(type + " with attempt " + number);
        }
        attempt = number;
        if (start == null) {
            start = event;
        } else {
            resumptions.add(new Resumption(number, lastTokenTime, appendTime, -1));
        }
    }

    private void tokens(ObjectNode event, int number, long appendTime) {
        alive.set(Math.max(0, number));
        if (number > attempt) {
            problems.add("tokens of attempt " + number + ", which has no valid claim");
        }
        JsonNode ids = event.path("token_ids");
        int index = event.path("index").asInt(-1);
        writtenOnce(number, index, ids.size());
        if (end != null && number == end.path("attempt").asInt()) {
            problems.add("tokens after the end of their own attempt " + number);
        }
        if (end != null || number != attempt) {
            voidEvents++;
            return;
        }
        if (index != tokens.size()) {
            voidEvents++;
            misplaced.putIfAbsent(
                    number,
                    "attempt %d wrote index %d when the log held %d tokens, and went on to the end"
                            .formatted(number, index, tokens.size()));
            return;
        }
        for (JsonNode id : ids) {
            tokens.add(id.asInt());
        }
        if (!ids.isEmpty()) {
            lastTokenTime = appendTime;
            closeResumption(appendTime);
        }
    }

    /// Under one attempt no index is ever written twice: only its holder may publish, and once.
    private void writtenOnce(int number, int index, int count) {
        if (index < 0 || count == 0) {
            return;
        }
        BitSet indices = written.computeIfAbsent(number, _ -> new BitSet());
        int again = indices.nextSetBit(index);
        if (again >= 0 && again < index + count) {
            problems.add("token %d was written twice under attempt %d".formatted(again, number));
        }
        indices.set(index, index + count);
    }

    private void closeResumption(long appendTime) {
        if (!resumptions.isEmpty() && resumptions.getLast().to() < 0) {
            Resumption open = resumptions.removeLast();
            resumptions.add(
                    new Resumption(open.attempt(), open.from(), open.claimed(), appendTime));
        }
    }

    private void end(ObjectNode event, String type, int number, long appendTime) {
        if (!type.equals("GenerationFailed")) {
            alive.set(Math.max(0, number));
        }
        if (number > attempt) {
            problems.add(type + " of attempt " + number + ", which has no valid claim");
        }
        if (end != null) {
            voidEvents++;
            if (number == end.path("attempt").asInt()) {
                problems.add("attempt " + number + " ended twice");
            }
            return;
        }
        if (number != attempt) {
            voidEvents++;
            return;
        }
        end = event;
        endTime = appendTime;
    }

    /// Everything that is wrong with it, whatever its tokens should have been.
    List<String> verdict() {
        List<String> found = new ArrayList<>(problems);
        if (attempt == 0) {
            found.add("no valid claim");
        }
        if (end == null) {
            found.add("not ended (attempt %d, %d tokens)".formatted(attempt, tokens.size()));
            return found;
        }
        String gap = misplaced.get(end.path("attempt").asInt());
        if (gap != null) {
            found.add(gap);
        }
        String hash = end.path("token_hash").asText(null);
        boolean finished = end.path("type").asText().equals("GenerationFinished");
        if ((finished || hash != null) && !hash(tokens).equals(hash)) {
            found.add("token_hash is %s, the tokens give %s".formatted(hash, hash(tokens)));
        }
        int counted = end.path("usage").path("completion_tokens").asInt(-1);
        if (counted != tokens.size()) {
            found.add(
                    "usage says %d completion tokens, the log holds %d"
                            .formatted(counted, tokens.size()));
        }
        return found;
    }

    /// How many attempts in a row before the last one ended without a sign of life.
    int silentBeforeLast() {
        int count = 0;
        while (count < attempt - 1 && !alive.get(attempt - 1 - count)) {
            count++;
        }
        return count;
    }

    static String hash(List<Integer> tokens) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * tokens.size()).order(ByteOrder.LITTLE_ENDIAN);
        tokens.forEach(bytes::putInt);
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    Name name() {
        return name;
    }

    List<Integer> tokens() {
        return tokens;
    }

    /// The valid claim of attempt 1, or null.
    ObjectNode start() {
        return start;
    }

    /// The valid terminal event, or null.
    ObjectNode end() {
        return end;
    }

    long endTime() {
        return endTime;
    }

    int attempts() {
        return attempt;
    }

    int voidEvents() {
        return voidEvents;
    }

    List<Resumption> resumptions() {
        return resumptions;
    }
}
