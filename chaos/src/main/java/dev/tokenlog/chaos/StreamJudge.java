package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.chaos.CommitHistory.Commit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Judges the generations of a run from the bytes of its topics. Names of invariants:
///
/// - `whole`: exactly one effective terminal event, no gap, no duplicate, the right hash and count;
/// - `lost`: every prompt that was sent has one generation, and only one;
/// - `undisturbed`: tokens and end are those of a run in which nobody dies;
/// - `poison`: it fails with `POISON` only after four silent attempts in a row;
/// - `commit`: no offset was ever committed past a prompt that had not ended by then.
final class StreamJudge {

    private static final int POISON_AFTER = 4;

    private final Map<RawGeneration.Name, RawGeneration> generations = new LinkedHashMap<>();
    private final Map<String, List<RawGeneration>> byId = new HashMap<>();
    private final List<Violation> violations = new ArrayList<>();

    /// @param tokens of the topic `tokens`
    StreamJudge(RawLog tokens) {
        for (RawLog.Entry entry : tokens.entries()) {
            ObjectNode event = entry.json();
            if (event == null || !event.hasNonNull("generation_id")) {
                violations.add(
                        new Violation(
                                "whole",
                                entry.partition() + "@" + entry.offset(),
                                "no event of a generation"));
                continue;
            }
            RawGeneration.Name name =
                    new RawGeneration.Name(
                            event.path("generation_id").asText(),
                            entry.partition(),
                            event.path("prompt_offset").asLong(-1));
            RawGeneration generation = generations.get(name);
            if (generation == null) {
                generation = new RawGeneration(name);
                generations.put(name, generation);
                byId.computeIfAbsent(name.id(), _ -> new ArrayList<>()).add(generation);
            }
            generation.take(event, entry.appendTime());
        }
    }

    Collection<RawGeneration> generations() {
        return generations.values();
    }

    /// Every generation for itself.
    void whole() {
        for (RawGeneration generation : generations.values()) {
            for (String problem : generation.verdict()) {
                violations.add(new Violation("whole", generation.name().id(), problem));
            }
        }
    }

    /// @param sent the ids of all prompts that a client has sent
    void nothingLost(Collection<String> sent) {
        for (String id : sent) {
            int count = byId.getOrDefault(id, List.of()).size();
            if (count != 1) {
                violations.add(
                        new Violation("lost", id, count + " generations in the log, expected one"));
            }
        }
    }

    /// @param reference what each generation gives where nothing happens to it
    void undisturbed(Map<String, Reference.Answer> reference) {
        reference.forEach((id, answer) -> {
            for (RawGeneration generation : byId.getOrDefault(id, List.of())) {
                compare(generation, answer);
            }
        });
    }

    private void compare(RawGeneration generation, Reference.Answer answer) {
        String id = generation.name().id();
        if (generation.end() == null) {
            return;
        }
        String type = generation.end().path("type").asText();
        if (!type.equals("GenerationFinished")) {
            failed(generation, type);
            return;
        }
        if (!generation.tokens().equals(answer.tokens())) {
            int at = firstDifference(generation.tokens(), answer.tokens());
            violations.add(
                    new Violation(
                            "undisturbed",
                            id,
                            "differs at token %d of %d (%d attempts)"
                                    .formatted(
                                            at,
                                            generation.tokens().size(),
                                            generation.attempts())));
        }
        String reason = generation.end().path("reason").asText();
        if (!reason.equals(answer.reason())) {
            violations.add(
                    new Violation(
                            "undisturbed",
                            id,
                            "ended by '%s', expected '%s'".formatted(reason, answer.reason())));
        }
    }

    private void failed(RawGeneration generation, String type) {
        String id = generation.name().id();
        String code = generation.end().path("code").asText("");
        if (!code.equals("POISON")) {
            violations.add(
                    new Violation(
                            "undisturbed",
                            id,
                            type + " " + code + " " + generation.end().path("message").asText("")));
        } else if (generation.silentBeforeLast() < POISON_AFTER) {
            violations.add(
                    new Violation(
                            "poison",
                            id,
                            "failed after %d silent attempts"
                                    .formatted(generation.silentBeforeLast())));
        }
    }

    private static int firstDifference(List<Integer> a, List<Integer> b) {
        int at = 0;
        while (at < Math.min(a.size(), b.size()) && a.get(at).equals(b.get(at))) {
            at++;
        }
        return at;
    }

    /// @param prompts of the topic `prompts`
    void committed(RawLog prompts, List<Commit> commits) {
        Map<Integer, TreeMap<Long, Long>> ends = new HashMap<>();
        for (RawLog.Entry prompt : prompts.entries()) {
            ObjectNode json = prompt.json();
            if (json != null && json.hasNonNull("generation_id")) {
                // The same prompt sent again is answered by the generation of the first.
                String id = json.path("generation_id").asText();
                TreeMap<Long, Long> partition =
                        ends.computeIfAbsent(prompt.partition(), _ -> new TreeMap<>());
                long before =
                        partition.isEmpty() ? Long.MIN_VALUE : partition.lastEntry().getValue();
                partition.put(prompt.offset(), Math.max(before, endOf(id)));
            }
        }
        for (Commit commit : commits) {
            Map.Entry<Long, Long> last =
                    ends.getOrDefault(commit.partition(), new TreeMap<>())
                            .lowerEntry(commit.offset());
            if (last != null && last.getValue() > commit.time()) {
                violations.add(
                        new Violation(
                                "commit",
                                "prompts-" + commit.partition(),
                                "offset %d was committed at %d, a prompt before it ended %s"
                                        .formatted(
                                                commit.offset(),
                                                commit.time(),
                                                last.getValue() == Long.MAX_VALUE
                                                        ? "never"
                                                        : "at " + last.getValue())));
            }
        }
    }

    private long endOf(String id) {
        return byId.getOrDefault(id, List.of()).stream()
                .filter(generation -> generation.end() != null)
                .mapToLong(RawGeneration::endTime)
                .min()
                .orElse(Long.MAX_VALUE);
    }

    /// What a reader was given, against the log.
    void delivered(Reading reading) {
        List<RawGeneration> found = byId.getOrDefault(reading.id(), List.of());
        for (String problem : reading.problems()) {
            violations.add(new Violation("reader", reading.id(), problem));
        }
        if (found.size() != 1) {
            return;
        }
        RawGeneration generation = found.getFirst();
        if (!reading.ended()) {
            violations.add(new Violation("reader", reading.id(), "its stream has not ended"));
        } else if (!reading.tokens().equals(generation.tokens())) {
            violations.add(
                    new Violation(
                            "reader",
                            reading.id(),
                            "was given %d tokens, differing at %d from the %d of the log"
                                    .formatted(
                                            reading.tokens().size(),
                                            firstDifference(reading.tokens(), generation.tokens()),
                                            generation.tokens().size())));
        }
    }

    List<Violation> violations() {
        return List.copyOf(violations);
    }
}
