package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// What a run came to.
///
/// @param readers that read a generation from its beginning, more than one each where readers died
/// @param planned pauses of streams where a worker left as it should
/// @param unplanned the same where it was killed
record Report(
        long seed,
        double seconds,
        Map<String, Integer> kills,
        Map<String, Integer> halts,
        int processes,
        int generations,
        long tokens,
        int resumed,
        int mostAttempts,
        int poisoned,
        int voidEvents,
        int commits,
        int readers,
        int conversions,
        HandOvers.Pauses planned,
        HandOvers.Pauses unplanned,
        String judge,
        List<Violation> violations) {

    int killed() {
        return kills.values().stream().mapToInt(Integer::intValue).sum();
    }

    private Quantiles joined() {
        List<Long> all = new ArrayList<>(planned.came().sorted());
        all.addAll(unplanned.came().sorted());
        return Quantiles.of(all);
    }

    String json() {
        ObjectNode node = new ObjectMapper().createObjectNode();
        node.put("seed", seed).put("seconds", Math.round(seconds)).put("kills", killed());
        ObjectNode killsBy = node.putObject("kills_by_process");
        kills.forEach(killsBy::put);
        ObjectNode haltsBy = node.putObject("halt_points");
        halts.forEach(haltsBy::put);
        node.put("processes", processes).put("generations", generations).put("tokens", tokens);
        node.put("resumptions", resumed).put("most_attempts", mostAttempts);
        node.put("poisoned", poisoned).put("void_events", voidEvents).put("commits", commits);
        node.put("readers", readers).put("conversions", conversions);
        quantiles(node.putObject("hand_over_left_ms"), planned.gone());
        quantiles(node.putObject("hand_over_joined_ms"), joined());
        quantiles(node.putObject("hand_over_killed_ms"), unplanned.gone());
        node.put("judge", judge);
        ArrayNode found = node.putArray("violations");
        violations.forEach(violation ->
                found.addObject()
                        .put("invariant", violation.invariant())
                        .put("subject", violation.subject())
                        .put("text", violation.text()));
        return node.toString();
    }

    private static void quantiles(ObjectNode node, Quantiles q) {
        node.put("count", q.count()).put("p50", q.at(0.5)).put("p99", q.at(0.99));
        node.put("max", q.at(1));
    }

    String text() {
        StringBuilder text = new StringBuilder();
        line(text, "seed", Long.toString(seed));
        line(text, "kills", "%d in %.0f s: %s".formatted(killed(), seconds, kills));
        line(text, "halt points", halts.toString());
        line(
                text,
                "generations",
                "%d, %d tokens, %d resumptions, at most %d attempts, %d poisoned"
                        .formatted(generations, tokens, resumed, mostAttempts, poisoned));
        line(
                text,
                "log",
                "%d void events, %d commits, %d readers, %d conversions, %d processes"
                        .formatted(voidEvents, commits, readers, conversions, processes));
        line(text, "hand-over", "a worker left: " + quantiles(planned.gone()));
        line(text, "", "one joined: " + quantiles(joined()));
        line(text, "", "one was killed: " + quantiles(unplanned.gone()));
        line(text, "other judge", judge);
        violations.forEach(violation -> line(text, "VIOLATION", violation.toString()));
        text.append(
                violations.isEmpty()
                        ? "all invariants hold\n"
                        : violations.size() + " violations\n");
        return text.toString();
    }

    private static String quantiles(Quantiles q) {
        return q.count() == 0
                ? "not measured"
                : "p50 %d ms, p99 %d ms, most %d ms (%d pauses)"
                        .formatted(q.at(0.5), q.at(0.99), q.at(1), q.count());
    }

    private static void line(StringBuilder text, String name, String value) {
        text.append("%-12s %s%n".formatted(name, value));
    }
}
