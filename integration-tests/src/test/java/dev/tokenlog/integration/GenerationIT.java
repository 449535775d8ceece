package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.example.Moderator;
import dev.tokenlog.integration.Generations.Generation;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What becomes of a prompt, good or bad, on a running platform. Every test also shows that the
/// partition goes on.
class GenerationIT {

    private static final String FOX = "Tell me a story about a brave fox who finds a lantern.";

    @TempDir private static Path folder;

    private static Platform platform;
    private static Prompts prompts;

    @BeforeAll
    static void start() {
        platform = Platform.start(folder.resolve("data"));
        prompts = new Prompts(platform.bootstrap());
        DemoModel.convert(platform, "demo", 4);
    }

    @AfterAll
    static void end() throws InterruptedException {
        try {
            StreamJudge.allWell(folder, TopicDump.of(platform.bootstrap(), "tokens"));
        } finally {
            prompts.close();
            platform.close();
        }
    }

    @Test
    void theSameSeedGivesTheSameTokensUnderAnotherId() throws Exception {
        Generation first = ended(send(chat(id(), FOX, "\"temperature\":0.8,\"seed\":7")));
        Generation second = ended(send(chat(id(), FOX, "\"temperature\":0.8,\"seed\":7")));
        Generation other = ended(send(chat(id(), FOX, "\"temperature\":0.8,\"seed\":8")));

        assertThat(second.tokens).isEqualTo(first.tokens);
        assertThat(other.tokens).isNotEqualTo(first.tokens);
        assertThat(first.end.path("reason").asText()).isIn("stop", "length");
    }

    @Test
    void callersHeadersComeBackWithTheTokens() throws Exception {
        String id = id();
        prompts.prompt(
                id,
                chat(id, "What is a partition?", "\"temperature\":0"),
                new RecordHeader("x-request", "r-17".getBytes(StandardCharsets.UTF_8)),
                new RecordHeader(
                        "traceparent",
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                                .getBytes(StandardCharsets.UTF_8)));
        ended(id);

        List<ConsumerRecord<byte[], byte[]>> records =
                TopicDump.of(platform.bootstrap(), "tokens").records().stream()
                        .filter(record -> new String(record.value()).contains(id))
                        .toList();
        assertThat(records).isNotEmpty();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            assertThat(TopicDump.header(record, "x-request")).isEqualTo("r-17");
            assertThat(TopicDump.header(record, "traceparent"))
                    .startsWith("00-0af7651916cd43dd8448eb211c80319c");
            assertThat(TopicDump.header(record, "type")).isNotNull();
        }
    }

    @Test
    void theSamePromptTwiceIsOneGeneration() throws Exception {
        String id = id();
        String prompt = chat(id, FOX, "\"temperature\":0.8,\"seed\":3");
        RecordMetadata first = prompts.prompt(id, prompt);
        prompts.prompt(id, prompt);
        Generation generation = ended(id);
        prompts.prompt(id, prompt);
        goesOn(first.partition());

        List<ObjectNode> starts =
                TopicDump.of(platform.bootstrap(), "tokens").events("generation_id", id).stream()
                        .filter(event -> event.path("type").asText().equals("GenerationStarted"))
                        .toList();
        assertThat(starts).hasSize(1);
        assertThat(starts.getFirst().path("prompt_offset").asLong()).isEqualTo(first.offset());
        assertThat(generation.endType()).isEqualTo("GenerationFinished");
    }

    @Test
    void aPromptWithoutKeyIdAndTypeIsAnsweredUnderItsPlace() throws Exception {
        RecordMetadata place =
                prompts.prompt(
                        null,
                        "{\"model_id\":\"demo\",\"prompt\":\"Once upon a time\",\"max_tokens\":8}");
        Generation generation = ended(place.partition() + "-" + place.offset());

        assertThat(generation.tokens).hasSizeBetween(1, 8);
    }

    @Test
    void aChosenIdOfTheAssignedFormIsRefused() throws Exception {
        RecordMetadata place = prompts.prompt("3-14", chat("3-14", FOX, "\"max_tokens\":4"));
        goesOn(place.partition());

        assertThat(
                        TopicDump.of(platform.bootstrap(), "tokens").events().stream()
                                .filter(event ->
                                        event.path("prompt_offset").asLong() == place.offset()
                                                && event.path("code")
                                                        .asText()
                                                        .equals("INVALID_ID")))
                .isNotEmpty();
    }

    /// More than a worker has done when the first cancels reach it.
    @Test
    void cancelWhileRunning() throws Exception {
        List<String> ids = java.util.stream.Stream.generate(GenerationIT::id).limit(120).toList();
        for (String id : ids) {
            prompts.send(
                    "prompts",
                    3,
                    id,
                    chat(id, FOX, "\"temperature\":2,\"max_tokens\":450").getBytes());
        }
        await("tokens come")
                .atMost(Duration.ofSeconds(30))
                .pollInterval(Duration.ofMillis(10))
                .until(() -> {
                    Map<String, Generation> seen = tokens().byId();
                    return ids.stream()
                            .anyMatch(id -> seen.containsKey(id) && !seen.get(id).tokens.isEmpty());
                });
        for (String id : ids) {
            prompts.send(
                    "generation-controls",
                    null,
                    id,
                    ("{\"type\":\"CancelRequested\",\"generation_id\":\"" + id + "\"}").getBytes());
        }
        await("all have ended")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(200))
                .until(() -> {
                    Map<String, Generation> seen = tokens().byId();
                    return ids.stream()
                            .allMatch(id -> seen.containsKey(id) && seen.get(id).end != null);
                });

        Map<String, Generation> ended = tokens().byId();
        assertThat(ids)
                .as("cancelled in the middle")
                .map(ended::get)
                .anyMatch(generation ->
                        generation.endType().equals("GenerationCancelled")
                                && !generation.tokens.isEmpty());
    }

    @Test
    void cancelAfterTheEndChangesNothing() throws Exception {
        String id = send(chat(id(), FOX, "\"temperature\":0,\"max_tokens\":4"));
        Generation before = ended(id);
        CommandLine.Result cancel = platform.tokenlog("cancel", id);
        for (int partition = 0; partition < 4; partition++) {
            goesOn(partition);
        }

        assertThat(cancel.status()).as(cancel.toString()).isIn(0, 1);
        assertThat(tokens().get(id).endType()).isEqualTo("GenerationFinished");
    }

    @Test
    void cancelBeforeItStarts() throws Exception {
        String id = id();
        prompts.send(
                "generation-controls",
                null,
                id,
                ("{\"type\":\"CancelRequested\",\"generation_id\":\"" + id + "\"}").getBytes());
        // Behind it in the log, and answered after it.
        deadLetter(prompts.send("generation-controls", null, "none", "no json".getBytes()));
        prompts.prompt(id, chat(id, FOX, "\"max_tokens\":400"));
        Generation generation = ended(id);

        assertThat(generation.endType()).isEqualTo("GenerationCancelled");
        assertThat(generation.tokens).isEmpty();
    }

    /// Twice from two processes, in the middle: one end.
    @Test
    void cancelTwiceIsCancelOnce() throws Exception {
        String id = id();
        prompts.prompt(id, chat(id, FOX, "\"temperature\":2,\"max_tokens\":450"));
        byte[] cancel =
                ("{\"type\":\"CancelRequested\",\"generation_id\":\"" + id + "\"}").getBytes();
        prompts.send("generation-controls", null, id, cancel);
        prompts.send("generation-controls", null, id, cancel);
        platform.tokenlog("cancel", id);
        Generation generation = ended(id);
        for (int partition = 0; partition < 4; partition++) {
            goesOn(partition);
        }

        assertThat(generation.endType()).isIn("GenerationCancelled", "GenerationFinished");
        assertThat(
                        TopicDump.of(platform.bootstrap(), "tokens")
                                .events("generation_id", id)
                                .stream()
                                .map(event -> event.path("type").asText())
                                .filter(type -> type.equals("GenerationCancelled")))
                .hasSizeLessThanOrEqualTo(1);
    }

    /// The example of the client module, on a rule that each of these stories breaks.
    @Test
    void theModeratorCancelsWhatBreaksItsRule() throws Exception {
        Map<String, Moderator.Cancelled> moderated = new HashMap<>();
        String mark = "moderated-" + UUID.randomUUID() + "-";
        try (TokenlogClient client =
                        TokenlogClient.connect(
                                Map.of("bootstrap.servers", platform.bootstrap()), "");
                // Of these generations only: others run beside them.
                Moderator moderator = new Moderator(client, text -> text.length() > 10)) {
            List<String> ids =
                    java.util.stream.IntStream.range(0, 8).mapToObj(i -> mark + i).toList();
            for (int i = 0; i < ids.size(); i++) {
                prompts.prompt(
                        ids.get(i),
                        chat(
                                ids.get(i),
                                FOX,
                                "\"temperature\":0.8,\"max_tokens\":450,\"seed\":" + i));
            }
            await("all were told to end")
                    .atMost(Duration.ofSeconds(30))
                    .pollInterval(Duration.ofMillis(1))
                    .until(() -> {
                        moderator.next(
                                Duration.ofMillis(200),
                                cancelled -> moderated.put(cancelled.generationId(), cancelled));
                        return moderated.keySet().containsAll(ids);
                    });
            List<Long> lags = new ArrayList<>();
            for (String id : ids) {
                Generation generation = ended(id);
                assertThat(generation.endType()).isIn("GenerationCancelled", "GenerationFinished");
                if (generation.endType().equals("GenerationCancelled")) {
                    assertThat(generation.end.path("reason").asText()).isEqualTo("moderated");
                    lags.add(endTime(id) - moderated.get(id).at().toEpochMilli());
                }
            }
            assertThat(lags).as("cancelled before their ends").isNotEmpty();
            System.out.println("moderator: from the text to the end, ms: " + lags);
        }
    }

    private static long endTime(String id) {
        return TopicDump.of(platform.bootstrap(), "tokens").records().stream()
                .filter(record -> id.equals(new String(record.key(), StandardCharsets.UTF_8)))
                .mapToLong(ConsumerRecord::timestamp)
                .max()
                .orElseThrow();
    }

    @Test
    void theUsageOfAMinuteIsShown() throws Exception {
        ended(send(chat(id(), FOX, "\"temperature\":0,\"max_tokens\":4")));
        await("usage")
                .atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> {
                    CommandLine.Result shown = platform.tokenlog("usage", "demo", "--json");
                    assertThat(shown.status()).as(shown.toString()).isZero();
                    assertThat(shown.out()).contains("\"model_id\":\"demo\"");
                    assertThat(shown.out()).containsPattern("\"completion_tokens\":[1-9]");
                });
    }

    @Test
    void theTopicsOfARunningPlatformAreAsTheyShouldBe() {
        CommandLine.Result topics = platform.tokenlog("topics");

        assertThat(topics.status()).as(topics.toString()).isZero();
        assertThat(topics.out()).contains("prompts").contains("as it should be");
    }

    @Test
    void anUnknownModelIsRefused() throws Exception {
        String id = id();
        prompts.prompt(
                id, "{\"generation_id\":\"" + id + "\",\"model_id\":\"none\",\"prompt\":\"x\"}");

        assertThat(ended(id).code()).isEqualTo("MODEL_UNKNOWN");
    }

    @Test
    void aPromptLongerThanTheContextIsRefused() throws Exception {
        String id = send(chat(id(), "fox ".repeat(2000), "\"max_tokens\":4"));

        assertThat(ended(id).code()).isEqualTo("CONTEXT_TOO_LONG");
    }

    @Test
    void parametersOutOfRangeAreRefusedByName() throws Exception {
        for (String parameter :
                List.of(
                        "\"temperature\":2.5",
                        "\"top_p\":0",
                        "\"max_tokens\":0",
                        "\"top_k\":-1",
                        "\"min_p\":1.5")) {
            Generation refused = ended(send(chat(id(), FOX, parameter)));
            assertThat(refused.code()).as(parameter).isEqualTo("PARAMETER_OUT_OF_RANGE");
            assertThat(refused.end.path("message").asText())
                    .contains(parameter.substring(1, parameter.indexOf('"', 1)));
        }
    }

    @Test
    void bytesThatAreNoJsonBecomeADeadLetterAndThePartitionGoesOn() throws Exception {
        byte[] bytes = {(byte) 0xff, 0, 13, '{', '"'};
        RecordMetadata place = prompts.send("prompts", 2, "k", bytes);
        goesOn(2);

        ConsumerRecord<byte[], byte[]> letter = deadLetter(place);
        assertThat(letter.value()).isEqualTo(bytes);
        assertThat(letter.key()).isEqualTo("k".getBytes());
        assertThat(TopicDump.header(letter, "reason")).contains("UNREADABLE");
    }

    @Test
    void jsonOfAnotherShapeIsRefusedAndThePartitionGoesOn() throws Exception {
        for (String value :
                List.of(
                        "[1,2]",
                        "17",
                        "{}",
                        "{\"model_id\":7,\"prompt\":[]}",
                        "{\"type\":\"Nonsense\"}")) {
            RecordMetadata place = prompts.send("prompts", 1, null, value.getBytes());
            goesOn(1);
            assertThat(deadLetter(place).value()).as(value).isEqualTo(value.getBytes());
        }
    }

    @Test
    void aShapeErrorWithAReadableIdEndsThatGeneration() throws Exception {
        String id = id();
        prompts.prompt(
                id,
                "{\"generation_id\":\""
                        + id
                        + "\",\"model_id\":\"demo\",\"prompt\":\"x\",\"max_tokens\":\"many\"}");

        assertThat(ended(id).code()).isEqualTo("INVALID_SHAPE");
    }

    @Test
    void aModelWithoutAVerdictIsRefused() throws Exception {
        ObjectNode manifest =
                TopicDump.of(platform.bootstrap(), "model-manifests")
                        .events("model_id", "demo")
                        .getLast()
                        .deepCopy();
        // Its baseline is gone, so there can be no verdict.
        manifest.put("model_id", "unvalidated");
        manifest.put("source", folder.resolve("nowhere").toString());
        prompts.send("model-manifests", null, "unvalidated", manifest.toString().getBytes());
        await("the registry knows it")
                .atMost(Duration.ofSeconds(30))
                .until(() -> DemoModel.state(platform.bootstrap(), "unvalidated") != null);
        String id = id();
        prompts.prompt(
                id,
                "{\"generation_id\":\"" + id + "\",\"model_id\":\"unvalidated\",\"prompt\":\"x\"}");

        assertThat(ended(id).code()).isEqualTo("MODEL_NOT_VALIDATED");
    }

    @Test
    void aPromptOverOneMebibyteIsRefusedByTheClient() {
        CommandLine.Result result =
                platform.tokenlog("generate", "demo", "--prompt-file", bigFile().toString());

        assertThat(result.status()).as(result.toString()).isNotZero();
        assertThat(result.err()).contains("TOO_LARGE");
    }

    private static Path bigFile() {
        try {
            return java.nio.file.Files.writeString(
                    folder.resolve("big.txt"), "fox ".repeat(300_000));
        } catch (java.io.IOException problem) {
            throw new java.io.UncheckedIOException(problem);
        }
    }

    private static String id() {
        return "it-" + UUID.randomUUID();
    }

    private static String chat(String id, String question, String parameters) {
        return """
        {"type":"PromptSubmitted","generation_id":"%s","model_id":"demo","messages":[{"role":"user","content":"%s"}],%s}
        """
                .formatted(id, question, parameters);
    }

    /// Sends under the id as key; returns the id.
    private static String send(String json) throws Exception {
        String id =
                new com.fasterxml.jackson.databind.ObjectMapper()
                        .readTree(json)
                        .path("generation_id")
                        .asText();
        prompts.prompt(id, json);
        return id;
    }

    private static Generations tokens() {
        return Generations.of(TopicDump.of(platform.bootstrap(), "tokens"));
    }

    private static Generation ended(String id) {
        await(id + " ends")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(100))
                .until(() -> {
                    Generation seen = tokens().byId().get(id);
                    return seen != null && seen.end != null;
                });
        return tokens().get(id);
    }

    /// A good prompt behind the bad one, in the same partition, is answered.
    private static void goesOn(int partition) throws InterruptedException {
        String id = id();
        prompts.send(
                "prompts",
                partition,
                id,
                ("{\"generation_id\":\""
                                + id
                                + "\",\"model_id\":\"demo\",\"prompt\":\"Hello\",\"max_tokens\":2}")
                        .getBytes());
        assertThat(ended(id).endType()).isEqualTo("GenerationFinished");
    }

    private static ConsumerRecord<byte[], byte[]> deadLetter(RecordMetadata place) {
        return await("a dead letter for " + place)
                .atMost(Duration.ofSeconds(20))
                .until(
                        () ->
                                TopicDump.of(platform.bootstrap(), "dead-letters")
                                        .records()
                                        .stream()
                                        .filter(record ->
                                                place.topic()
                                                                .equals(
                                                                        TopicDump.header(
                                                                                record, "topic"))
                                                        && Integer.toString(place.partition())
                                                                .equals(
                                                                        TopicDump.header(
                                                                                record,
                                                                                "partition"))
                                                        && Long.toString(place.offset())
                                                                .equals(
                                                                        TopicDump.header(
                                                                                record, "offset")))
                                        .findFirst()
                                        .orElse(null),
                        java.util.Objects::nonNull);
    }
}
