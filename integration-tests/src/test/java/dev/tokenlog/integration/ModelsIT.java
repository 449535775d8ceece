package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.integration.Generations.Generation;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Several models on a worker whose memory holds one of them at a time.
class ModelsIT {

    private static final String BUDGET = "TOKENLOG_INFERENCE_MODELS_MEMORY_BYTES";
    private static final int PROMPTS = 12;

    @TempDir private static Path folder;

    @Test
    void modelsTakeTurnsAndWhatIsTooLargeIsRefused() throws Exception {
        Path data = folder.resolve("data");
        long budget;
        long large;
        Map<String, List<Integer>> expected = new LinkedHashMap<>();
        try (Platform platform = Platform.start(data);
                Prompts prompts = new Prompts(platform.bootstrap())) {
            DemoModel.convert(platform, "one", "--bits", "4");
            DemoModel.convert(platform, "two", "--bits", "4", "--group-size", "64");
            DemoModel.convert(platform, "large", "--bits", "8");
            for (String model : List.of("one", "two", "large")) {
                expected.put(model, ended(platform, send(prompts, "first-" + model, model)).tokens);
            }
            assertThat(expected.get("two")).isNotEqualTo(expected.get("one"));
            budget = Math.max(bytes(platform, "one"), bytes(platform, "two"));
            large = bytes(platform, "large");
        }
        assertThat(large).isGreaterThan(budget);

        try (Platform platform = Platform.start(data, Map.of(BUDGET, Long.toString(budget)));
                Prompts prompts = new Prompts(platform.bootstrap())) {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < PROMPTS; i++) {
                ids.add(send(prompts, "turn-" + i, i % 2 == 0 ? "one" : "two"));
            }
            String refused = send(prompts, "too-large", "large");

            for (int i = 0; i < PROMPTS; i++) {
                assertThat(ended(platform, ids.get(i)).tokens)
                        .as(ids.get(i))
                        .isEqualTo(expected.get(i % 2 == 0 ? "one" : "two"));
            }
            Generation end = ended(platform, refused);
            assertThat(end.code()).isEqualTo("MODEL_TOO_LARGE");
            assertThat(end.end.path("message").asText())
                    .contains("takes %d bytes".formatted(large))
                    .contains("may load %d".formatted(budget));

            tellsOfLoadsAndEvictions(platform, budget);
            StreamJudge.allWell(folder, TopicDump.of(platform.bootstrap(), "tokens"));
        }
    }

    private static void tellsOfLoadsAndEvictions(Platform platform, long budget) {
        List<ObjectNode> events =
                TopicDump.of(platform.bootstrap(), "worker-events").events().stream()
                        .filter(event -> event.path("budget_bytes").asLong() == budget)
                        .toList();
        assertThat(types(events, "ModelLoaded")).hasSizeGreaterThanOrEqualTo(2);
        assertThat(types(events, "ModelEvicted"))
                .isNotEmpty()
                .allSatisfy(event -> assertThat(event.path("reason").asText()).isEqualTo("ROOM"));
        assertThat(events)
                .allSatisfy(event ->
                        assertThat(event.path("loaded_bytes").asLong()).isLessThanOrEqualTo(budget))
                .allSatisfy(event -> assertThat(event.hasNonNull("duration_ms")).isTrue());

        CommandLine.Result workers = platform.tokenlog("workers");
        assertThat(workers.status()).as(workers.toString()).isZero();
        assertThat(workers.out())
                .contains("1 model, ")
                .contains("peak memory ")
                .contains("ModelLoaded ")
                .contains("ModelEvicted ");
    }

    private static List<ObjectNode> types(List<ObjectNode> events, String type) {
        return events.stream().filter(event -> event.path("type").asText().equals(type)).toList();
    }

    private static long bytes(Platform platform, String model) {
        return types(
                        TopicDump.of(platform.bootstrap(), "worker-events")
                                .events("model_id", model),
                        "ModelLoaded")
                .getLast()
                .path("bytes")
                .asLong();
    }

    private static String send(Prompts prompts, String id, String model) throws Exception {
        prompts.prompt(
                id,
                """
                {"type":"PromptSubmitted","generation_id":"%s","model_id":"%s","prompt":"Once upon a time","temperature":0.8,"seed":7,"max_tokens":40}
                """
                        .formatted(id, model));
        return id;
    }

    private static Generation ended(Platform platform, String id) {
        await(id + " ends")
                .atMost(Duration.ofSeconds(120))
                .pollInterval(Duration.ofMillis(250))
                .until(() -> {
                    Generation found = generations(platform).byId().get(id);
                    return found != null && found.end != null;
                });
        return generations(platform).get(id);
    }

    private static Generations generations(Platform platform) {
        return Generations.of(TopicDump.of(platform.bootstrap(), "tokens"));
    }
}
