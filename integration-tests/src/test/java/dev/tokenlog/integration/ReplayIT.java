package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.integration.Generations.Generation;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Past generations computed again, from the command line, through the topics.
class ReplayIT {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String FOX = "Tell me a story about a brave fox who finds a lantern.";

    @TempDir private static Path folder;

    private static Platform platform;
    private static Prompts prompts;

    /// A generation with random numbers, penalties, a system message and some length.
    private static String id;

    private static RecordMetadata place;

    @BeforeAll
    static void start() throws Exception {
        platform = Platform.start(folder.resolve("data"));
        prompts = new Prompts(platform.bootstrap());
        DemoModel.convert(platform, "demo", 4);
        id = UUID.randomUUID().toString();
        place =
                prompts.prompt(
                        id,
                        ("{\"generation_id\":\"%s\",\"model_id\":\"demo\",\"messages\":[{\"role\":\"user\","
                                        + "\"content\":\"%s\"}],\"temperature\":0.8,\"top_p\":0.95,\"seed\":7,"
                                        + "\"repetition_penalty\":1.1,\"max_tokens\":90}")
                                .formatted(id, FOX));
        ended(id);
    }

    @AfterAll
    static void end() throws InterruptedException {
        prompts.close();
        platform.close();
    }

    @Test
    void aGenerationIsEqualOnEveryKernelAndThreadCount() throws Exception {
        JsonNode verified = replay(0, id, "--json");
        assertThat(verified.path("type").asText()).isEqualTo("ReplayVerified");
        assertThat(verified.path("tokens").asInt()).isEqualTo(tokens().get(id).tokens.size());
        JsonNode scalar = replay(0, id, "--compute", "scalar", "--threads", "1", "--json");
        assertThat(scalar.path("compute").asText()).contains("scalar").contains("1 thread");
        replay(0, id, "--compute", "vector", "--threads", "3", "--json");

        List<ObjectNode> events =
                TopicDump.of(platform.bootstrap(), "accuracy-metrics").events("generation_id", id);
        assertThat(events).hasSizeGreaterThanOrEqualTo(3);
    }

    @Test
    void aChangedTokenIsNamed() throws Exception {
        Generation honest = tokens().get(id);
        int at = honest.tokens.size() / 2;
        List<Integer> changed = new ArrayList<>(honest.tokens);
        changed.set(at, changed.get(at) == 300 ? 301 : 300);

        String forged = forge(honest, changed, List.of(0), honest.end.path("reason").asText());
        JsonNode answer = replay(1, forged, "--json");
        assertThat(answer.path("type").asText()).isEqualTo("ReplayDiverged");
        assertThat(answer.path("first_difference").asInt()).isEqualTo(at);
        assertThat(answer.path("message").asText())
                .contains("token " + at)
                .contains(Integer.toString(honest.tokens.get(at)));
    }

    @Test
    void anEndThatTheTokensDoNotHaveIsNamed() throws Exception {
        Generation honest = tokens().get(id);
        List<Integer> shorter = honest.tokens.subList(0, honest.tokens.size() - 3);
        JsonNode answer = replay(1, forge(honest, shorter, List.of(0), "stop"), "--json");
        assertThat(answer.path("type").asText()).isEqualTo("ReplayDiverged");
        assertThat(answer.path("first_difference").asInt()).isEqualTo(shorter.size());
        assertThat(answer.path("message").asText()).contains("ended by stop").contains("none");
    }

    @Test
    void everyAttemptOfAResumedGenerationIsChecked() throws Exception {
        Generation honest = tokens().get(id);
        String reason = honest.end.path("reason").asText();
        String resumed = forge(honest, honest.tokens, List.of(0, 5, 5, 20), reason);
        assertThat(replay(0, resumed, "--json").path("tokens").asInt())
                .isEqualTo(honest.tokens.size());

        List<Integer> changed = new ArrayList<>(honest.tokens);
        changed.set(21, changed.get(21) == 300 ? 301 : 300);
        JsonNode answer = replay(1, forge(honest, changed, List.of(0, 5, 20), reason), "--json");
        assertThat(answer.path("message").asText()).contains("token 21, by attempt 3");
    }

    @Test
    void anUnknownGenerationIsAnAnswerAndNotAWait() {
        CommandLine.Result result = platform.tokenlog("replay", "nobody");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err()).contains("no generation nobody");
        assertThat(platform.tokenlog("replay").status()).isEqualTo(2);
        assertThat(platform.tokenlog("replay", "--since", "yesterday").status()).isEqualTo(2);
    }

    @Test
    void aCandidateIsComparedOverTheLoggedPrompts() throws Exception {
        DemoModel.convert(platform, "demo8", 8);
        CommandLine.Result result =
                platform.tokenlog(
                        "replay",
                        "--candidate",
                        "demo8",
                        "--since",
                        "PT1H",
                        "--model",
                        "demo",
                        "--json");
        JsonNode honest =
                result.out()
                        .lines()
                        .map(ReplayIT::json)
                        .filter(answer -> answer.path("generation_id").asText().equals(id))
                        .findFirst()
                        .orElseThrow(() -> new AssertionError(result.toString()));
        assertThat(honest.path("type").asText()).isEqualTo("CandidateReplayed");
        assertThat(honest.path("tokens").asInt()).isEqualTo(tokens().get(id).tokens.size());
        // A better copy of the same model: near, but not the same.
        assertThat(honest.path("mean_kl_divergence").asDouble()).isBetween(1e-6, 0.1);
        assertThat(honest.path("top1_agreement").asDouble()).isGreaterThan(0.8);

        JsonNode itself = candidate("demo");
        assertThat(itself.path("mean_kl_divergence").asDouble()).isZero();
        assertThat(itself.path("same_choices").asDouble()).isEqualTo(1);
        assertThat(itself.has("first_difference")).isFalse();
        assertThat(candidate("nobody").path("code").asText()).isEqualTo("MODEL_UNKNOWN");
    }

    /// As after a poison prompt whose cause has been mended.
    @Test
    void aDeadPromptIsSentAgainUnderANewId() throws Exception {
        String body =
                TopicDump.of(platform.bootstrap(), "prompts")
                        .events("generation_id", id)
                        .getFirst()
                        .toString();
        long letter = deadLetter("prompts", place.partition(), body, "POISON").offset();
        CommandLine.Result sent =
                platform.tokenlog("dead-letters", "replay", Long.toString(letter), "--json");
        assertThat(sent.status()).as(sent.toString()).isZero();
        JsonNode again = json(sent.out().strip());
        assertThat(again.path("partition").asInt()).isEqualTo(place.partition());
        String newId = again.path("generation_id").asText();
        assertThat(newId).isNotEqualTo(id);
        ended(newId);
        assertThat(tokens().get(newId).tokens).isEqualTo(tokens().get(id).tokens);
        assertThat(
                        TopicDump.of(platform.bootstrap(), "tokens").records().stream()
                                .filter(record -> new String(record.value()).contains(newId)))
                .isNotEmpty()
                .allSatisfy(record -> {
                    assertThat(TopicDump.header(record, "x-tokenlog-resent"))
                            .isEqualTo("0-" + letter);
                    assertThat(TopicDump.header(record, "x-caller")).isEqualTo("anna");
                });
    }

    @Test
    void whatProcessorsWroteIsNotSentAgain() throws Exception {
        long letter = deadLetter("model-manifests", 0, "{}", "INVALID_SHAPE").offset();
        CommandLine.Result result =
                platform.tokenlog("dead-letters", "replay", Long.toString(letter));
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err()).contains("only requests are");
        assertThat(platform.tokenlog("dead-letters", "replay").status()).isEqualTo(2);
        assertThat(platform.tokenlog("dead-letters", "replay", "999999").status()).isEqualTo(1);
    }

    private static RecordMetadata deadLetter(
            String topic, int partition, String value, String reason) throws InterruptedException {
        return prompts.send(
                "dead-letters",
                0,
                "k",
                value.getBytes(),
                header("topic", topic),
                header("partition", Integer.toString(partition)),
                header("offset", "0"),
                header("reason", reason),
                header("message", "of a test"),
                header("attempt", "4"),
                header("x-caller", "anna"));
    }

    private static RecordHeader header(String name, String value) {
        return new RecordHeader(name, value.getBytes());
    }

    private static JsonNode candidate(String model) {
        return json(platform.tokenlog("replay", id, "--candidate", model, "--json").out().strip());
    }

    private static JsonNode replay(int status, String... arguments) {
        List<String> all = new ArrayList<>(List.of("replay"));
        all.addAll(List.of(arguments));
        CommandLine.Result result = platform.tokenlog(all.toArray(String[]::new));
        assertThat(result.status()).as(result.toString()).isEqualTo(status);
        return json(result.out().strip());
    }

    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (java.io.IOException e) {
            throw new AssertionError(text, e);
        }
    }

    /// Writes a generation to the log that nobody computed: the honest one's prompt and start,
    /// other tokens or attempts.
    ///
    /// @param claims at which index each attempt begins
    private static String forge(
            Generation honest, List<Integer> ids, List<Integer> claims, String reason)
            throws InterruptedException {
        String forged = UUID.randomUUID().toString();
        for (int i = 0; i < claims.size(); i++) {
            ObjectNode claim = honest.start.deepCopy();
            claim.put("generation_id", forged).put("attempt", i + 1);
            if (i > 0) {
                claim.put("type", "GenerationResumed");
            }
            append(forged, claim);
            int from = claims.get(i);
            int to = i + 1 < claims.size() ? claims.get(i + 1) : ids.size();
            ObjectNode tokens = event("TokensGenerated", forged, i + 1).put("index", from);
            ids.subList(from, to).forEach(tokens.putArray("token_ids")::add);
            append(forged, tokens);
        }
        ObjectNode end = event("GenerationFinished", forged, claims.size());
        end.put("reason", reason).put("token_hash", Generations.hash(ids));
        append(forged, end);
        return forged;
    }

    private static ObjectNode event(String type, String generation, int attempt) {
        return JSON.createObjectNode()
                .put("type", type)
                .put("generation_id", generation)
                .put("prompt_offset", place.offset())
                .put("attempt", attempt);
    }

    private static void append(String key, ObjectNode event) throws InterruptedException {
        prompts.send("tokens", place.partition(), key, event.toString().getBytes());
    }

    private static Generations tokens() {
        return Generations.of(TopicDump.of(platform.bootstrap(), "tokens"));
    }

    private static void ended(String id) {
        await(id + " has ended")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(100))
                .until(() -> {
                    Generation found = tokens().byId().get(id);
                    return found != null && found.end != null;
                });
    }
}
