package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.ControlEvent;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.WorkerEvent;
import dev.tokenlog.contracts.WorkerEvent.ModelLoadFailed;
import dev.tokenlog.contracts.WorkerEvent.ModelLoaded;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.inference.protocol.StreamJudge;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The processor as it runs, on a real broker, with a scripted model.
@QuarkusTest
@QuarkusTestResource(BrokerResource.class)
class InferenceOnKafkaTest {

    private static final String GROUP = Participant.INFERENCE_PROCESSOR.groups("t-").getFirst();
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration SCRAPE = Duration.ofSeconds(10);

    @ConfigProperty(name = "kafka.bootstrap.servers")
    String servers;

    @TestHTTPResource("/q/metrics")
    URI metrics;

    private final HttpClient scraper =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private TestClient client;

    @BeforeEach
    void connect() {
        client = new TestClient(servers, "t-");
        serve("demo", ModelServing.State.SERVING, "sha256-demo");
    }

    @AfterEach
    void disconnect() {
        client.close();
        scraper.close();
    }

    @Test
    void theWorkerIsThereInNumbers() {
        client.ended(raw(0, "{\"model_id\":\"demo\",\"prompt\":\"slow count\",\"max_tokens\":5}"));
        fails(raw(0, "{\"model_id\":\"nobody\",\"prompt\":\"x\"}"), ErrorCode.MODEL_UNKNOWN);
        await().atMost(PATIENCE)
                .untilAsserted(() -> {
                    Map<String, Double> page = scraped();
                    for (String gauge :
                            List.of(
                                    "tokenlog_queue_prompts",
                                    "tokenlog_queue_tokens",
                                    "tokenlog_prompts_held",
                                    "tokenlog_generations_running")) {
                        assertThat(page).containsEntry(gauge, 0.0);
                    }
                    String demo = "{model=\"demo\"}";
                    assertThat(page.get("tokenlog_first_token_seconds_count" + demo)).isPositive();
                    assertThat(page.get("tokenlog_token_time_seconds_count" + demo)).isPositive();
                    assertThat(
                                    page.get(
                                            "tokenlog_tokens_total{kind=\"completion\",model=\"demo\"}"))
                            .isGreaterThanOrEqualTo(5);
                    assertThat(
                                    page.get(
                                            "tokenlog_generations_total{end=\"GenerationFailed\",model=\"unknown\"}"))
                            .isPositive();
                    assertThat(page.get("tokenlog_refusals_total{reason=\"MODEL_UNKNOWN\"}"))
                            .isPositive();
                    // As the scripted engine says.
                    assertThat(engines(page, "tokenlog_kv_pages_limit")).containsOnly(64.0);
                    assertThat(engines(page, "tokenlog_kv_pages")).contains(2.0, 1.0);
                    assertThat(engines(page, "tokenlog_steps_total")).allMatch(n -> n >= 10);
                    assertThat(engines(page, "tokenlog_batch_size")).containsOnly(1.5);
                });
    }

    @Test
    void whatIsUnderWayIsThereInNumbers() {
        RecordMetadata running = prompt(0, slow("numbers"));
        await().atMost(PATIENCE)
                .untilAsserted(() -> {
                    Map<String, Double> page = scraped();
                    assertThat(page).containsEntry("tokenlog_generations_running", 1.0);
                    assertThat(page).containsEntry("tokenlog_prompts_held", 1.0);
                    assertThat(page.get("tokenlog_prompts_held_bytes")).isGreaterThan(50);
                    assertThat(page.get("tokenlog_debt_tokens{model=\"demo\"}"))
                            .isBetween(100.0, 900.0);
                });
        cancel("numbers");
        client.ended(running);
        await().atMost(PATIENCE)
                .untilAsserted(() -> {
                    Map<String, Double> page = scraped();
                    assertThat(page).containsEntry("tokenlog_generations_running", 0.0);
                    assertThat(page).containsEntry("tokenlog_prompts_held_bytes", 0.0);
                    assertThat(
                                    page.get(
                                            "tokenlog_generations_total{end=\"GenerationCancelled\",model=\"demo\"}"))
                            .isPositive();
                });
    }

    private static List<Double> engines(Map<String, Double> page, String name) {
        List<Double> values =
                page.entrySet().stream()
                        .filter(e -> e.getKey().startsWith(name + "{digest=\"sha256-demo\""))
                        .map(Map.Entry::getValue)
                        .toList();
        assertThat(values).as(name).isNotEmpty();
        return values;
    }

    /// As a scraper does: over HTTP/1.1, with a limit of its own, so that a page that does not come
    /// is told from numbers that do not.
    private Map<String, Double> scraped() throws Exception {
        HttpResponse<String> page =
                scraper.send(
                        HttpRequest.newBuilder(metrics).timeout(SCRAPE).build(),
                        HttpResponse.BodyHandlers.ofString());
        assertThat(page.statusCode()).isEqualTo(200);
        Map<String, Double> values = new HashMap<>();
        page.body()
                .lines()
                .filter(line -> !line.startsWith("#"))
                .forEach(line -> {
                    int end = line.lastIndexOf(' ');
                    values.put(line.substring(0, end), Double.valueOf(line.substring(end + 1)));
                });
        return values;
    }

    private void serve(String modelId, ModelServing.State state, String digest) {
        ModelServing.Version version =
                new ModelServing.Version(
                        digest,
                        state,
                        null,
                        null,
                        null,
                        "/models/" + modelId,
                        null,
                        null,
                        null,
                        4,
                        1,
                        1_000,
                        null);
        boolean serving = state == ModelServing.State.SERVING;
        client.send(
                Topic.MODEL_REGISTRY,
                0,
                modelId,
                new ModelServing(modelId, state, serving ? version : null, List.of(version)));
    }

    private RecordMetadata prompt(int partition, PromptSubmitted prompt) {
        return client.send(Topic.PROMPTS, partition, prompt.generationId(), prompt);
    }

    private RecordMetadata raw(int partition, String value) {
        return client.send(
                new ProducerRecord<>(
                        client.name(Topic.PROMPTS),
                        partition,
                        null,
                        value == null ? null : value.getBytes(StandardCharsets.UTF_8)));
    }

    private void fails(RecordMetadata prompt, ErrorCode code) {
        StreamJudge.Stream stream = client.ended(prompt);
        assertThat(stream.verdict()).isEmpty();
        assertThat(stream.end)
                .isInstanceOfSatisfying(
                        GenerationFailed.class, f -> assertThat(f.code()).isEqualTo(code));
    }

    private Optional<DeadLetter> deadLetter(RecordMetadata prompt) {
        return client.read(Topic.DEAD_LETTERS, 0).stream()
                .flatMap(r -> DeadLetter.of(r.headers()).stream())
                .filter(l -> l.partition() == prompt.partition() && l.offset() == prompt.offset())
                .findFirst();
    }

    private void isDeadLettered(RecordMetadata prompt, ErrorCode reason) {
        await().atMost(PATIENCE).until(() -> deadLetter(prompt).isPresent());
        assertThat(deadLetter(prompt).get().reason()).isEqualTo(reason);
    }

    private void isCommitted(RecordMetadata prompt) {
        await("commit of " + prompt)
                .atMost(PATIENCE)
                .until(() -> {
                    var commit = client.committed(GROUP, prompt.partition());
                    return commit != null && commit.offset() > prompt.offset();
                });
    }

    @Test
    void aPromptIsAnsweredAndThenCommittedWithItsSafeBeginning() {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        client.name(Topic.PROMPTS),
                        1,
                        null,
                        EventJson.write(
                                PromptSubmitted.ofText("demo", "slow and steady")
                                        .generationId("answer-1")
                                        .maxTokens(40)
                                        .build()));
        EventHeaders.set(record.headers(), "x-tenant", "blue");
        EventHeaders.set(record.headers(), "other", "not passed on");
        RecordMetadata prompt = client.send(record);

        StreamJudge.Stream stream = client.ended(prompt);
        assertThat(stream.verdict()).isEmpty();
        assertThat(stream.end).isInstanceOf(GenerationFinished.class);
        assertThat(stream.tokens).hasSize(40);
        assertThat(stream.attempt).isEqualTo(1);
        for (ConsumerRecord<byte[], byte[]> token : client.read(Topic.TOKENS, 1)) {
            if (TestClient.event(token).promptOffset() == prompt.offset()) {
                assertThat(EventHeaders.text(token.headers(), "x-tenant")).contains("blue");
                assertThat(EventHeaders.text(token.headers(), "other")).isEmpty();
                assertThat(new String(token.key(), StandardCharsets.UTF_8)).isEqualTo("answer-1");
            }
        }
        isCommitted(prompt);
        assertThat(client.committed(GROUP, 1).metadata()).matches("safe-beginning=\\d+");
    }

    @Test
    void aPromptTypedIntoAConsoleProducerGetsAnAssignedId() {
        RecordMetadata prompt = raw(0, "{\"model_id\":\"demo\",\"prompt\":\"Hello\"}");
        StreamJudge.Stream stream = client.ended(prompt);
        assertThat(stream.verdict()).isEmpty();
        assertThat(stream.start.generationId()).isEqualTo("0-" + prompt.offset());
    }

    @Test
    void whatCannotBeReadIsKeptAndThePartitionGoesOn() {
        RecordMetadata noJson = raw(0, "Hello?");
        RecordMetadata tombstone = raw(0, null);
        RecordMetadata shape = raw(0, "{\"generation_id\":\"shape-1\",\"model_id\":[1]}");
        RecordMetadata after = raw(0, "{\"model_id\":\"demo\",\"prompt\":\"after\"}");
        isDeadLettered(noJson, ErrorCode.UNREADABLE);
        isDeadLettered(tombstone, ErrorCode.UNREADABLE);
        isDeadLettered(shape, ErrorCode.INVALID_SHAPE);
        fails(shape, ErrorCode.INVALID_SHAPE);
        assertThat(client.ended(after).end).isInstanceOf(GenerationFinished.class);
        isCommitted(after);
    }

    @Test
    void whatMayNotBeServedIsRefusedWithACode() {
        serve("candidate", ModelServing.State.CANDIDATE, "sha256-candidate");
        serve("revoked", ModelServing.State.REVOKED, "sha256-revoked");
        serve("broken", ModelServing.State.SERVING, ScriptedLoader.BROKEN);
        fails(prompt(0, PromptSubmitted.ofText("nobody", "x").build()), ErrorCode.MODEL_UNKNOWN);
        fails(
                prompt(0, PromptSubmitted.ofText("candidate", "x").build()),
                ErrorCode.MODEL_NOT_VALIDATED);
        fails(prompt(0, PromptSubmitted.ofText("revoked", "x").build()), ErrorCode.MODEL_REVOKED);
        fails(prompt(0, PromptSubmitted.ofText("broken", "x").build()), ErrorCode.MODEL_UNREADABLE);
    }

    @Test
    void aPromptThatCannotBeRunIsRefusedWithACode() {
        fails(
                prompt(1, PromptSubmitted.ofText("demo", "x").temperature(2.5).build()),
                ErrorCode.PARAMETER_OUT_OF_RANGE);
        fails(
                prompt(1, PromptSubmitted.ofText("demo", "x".repeat(1_000)).build()),
                ErrorCode.CONTEXT_TOO_LONG);
        fails(
                prompt(
                        1,
                        PromptSubmitted.ofMessages("demo", List.of(new Message("user", "x")))
                                .build()),
                ErrorCode.TEMPLATE_REFUSED);
        fails(
                prompt(
                        1,
                        PromptSubmitted.ofText("demo", "slow one")
                                .maxTokens(900)
                                .deadlineMs(300L)
                                .build()),
                ErrorCode.DEADLINE_PASSED);
    }

    @Test
    void theSamePromptTwiceIsOneGeneration() {
        PromptSubmitted twice =
                PromptSubmitted.ofText("demo", "slow twice")
                        .generationId("twice")
                        .maxTokens(20)
                        .build();
        RecordMetadata first = prompt(0, twice);
        RecordMetadata second = prompt(0, twice);
        assertThat(client.ended(first).verdict()).isEmpty();
        isCommitted(second);
        RecordMetadata third = prompt(0, twice);
        isCommitted(third);
        assertThat(client.stream(0, second.offset()).attempt).isZero();
        assertThat(client.stream(0, third.offset()).attempt).isZero();
    }

    @Test
    void aCancelEndsAGenerationBeforeAndInTheMiddle() {
        cancel("cancel-before");
        RecordMetadata before = prompt(0, slow("cancel-before"));
        assertThat(client.ended(before).end).isInstanceOf(GenerationCancelled.class);

        RecordMetadata during = prompt(0, slow("cancel-during"));
        await().atMost(PATIENCE).until(() -> client.stream(0, during.offset()).tokens.size() > 3);
        cancel("cancel-during");
        cancel("cancel-during");
        StreamJudge.Stream stream = client.ended(during);
        assertThat(stream.verdict()).isEmpty();
        assertThat(stream.end).isInstanceOf(GenerationCancelled.class);
        isCommitted(during);
    }

    private static PromptSubmitted slow(String id) {
        return PromptSubmitted.ofText("demo", "slow one").generationId(id).maxTokens(900).build();
    }

    /// A slow answer of 20 ms a token, the revocation in its middle.
    private StreamJudge.Stream revokedWhileRunning(String model, Drain drain, int tokens) {
        String digest = "sha256-" + model;
        serve(model, ModelServing.State.SERVING, digest);
        RecordMetadata sent =
                prompt(
                        0,
                        PromptSubmitted.ofText(model, ScriptedLoader.SLOW + "answer")
                                .generationId(model + "-g")
                                .maxTokens(tokens)
                                .build());
        await().atMost(PATIENCE)
                .until(() -> !client.stream(sent.partition(), sent.offset()).tokens.isEmpty());
        ModelServing.Version revoked =
                new ModelServing.Version(
                        digest,
                        ModelServing.State.REVOKED,
                        null,
                        null,
                        null,
                        "/models/" + model,
                        null,
                        null,
                        null,
                        4,
                        1,
                        1_000,
                        "it leaks",
                        "anna",
                        drain);
        client.send(
                Topic.MODEL_REGISTRY,
                0,
                model,
                new ModelServing(model, ModelServing.State.REVOKED, null, List.of(revoked)));
        StreamJudge.Stream stream = client.ended(sent);
        assertThat(stream.verdict()).isEmpty();
        isCommitted(sent);
        fails(
                prompt(0, PromptSubmitted.ofText(model, "x").generationId(model + "-late").build()),
                ErrorCode.MODEL_REVOKED);
        return stream;
    }

    @Test
    void aRevokedModelFinishesWhatRuns() {
        StreamJudge.Stream stream = revokedWhileRunning("draining", Drain.FINISH, 100);
        assertThat(stream.end).isInstanceOf(GenerationFinished.class);
        assertThat(stream.tokens).hasSize(100);
    }

    @Test
    void aRevokedModelStopsWhatRunsIfThatIsAskedFor() {
        StreamJudge.Stream stream = revokedWhileRunning("stopping", Drain.STOP, 900);
        assertThat(stream.tokens).hasSizeBetween(1, 400);
        assertThat(stream.end)
                .isInstanceOfSatisfying(
                        GenerationFailed.class,
                        failed -> {
                            assertThat(failed.code()).isEqualTo(ErrorCode.MODEL_REVOKED);
                            assertThat(failed.message())
                                    .isEqualTo("sha256-stopping was revoked by anna: it leaks");
                        });
    }

    private void cancel(String id) {
        client.send(
                Topic.GENERATION_CONTROLS, 0, id, new ControlEvent.CancelRequested(id, null, null));
    }

    @Test
    void theWorkerSaysWhatItLoadsAndWhatItCannot() {
        serve("broken", ModelServing.State.SERVING, ScriptedLoader.BROKEN);
        client.ended(prompt(0, PromptSubmitted.ofText("demo", "x").build()));
        client.ended(prompt(0, PromptSubmitted.ofText("broken", "x").build()));

        await().atMost(PATIENCE)
                .untilAsserted(() -> {
                    List<WorkerEvent> events =
                            client.read(Topic.WORKER_EVENTS, 0).stream()
                                    .map(TestClient::workerEvent)
                                    .toList();
                    assertThat(events)
                            .anySatisfy(event ->
                                    assertThat(event)
                                            .isInstanceOfSatisfying(
                                                    ModelLoaded.class,
                                                    e ->
                                                            assertThat(e.modelDigest())
                                                                    .isEqualTo("sha256-demo")))
                            .anySatisfy(event ->
                                    assertThat(event)
                                            .isInstanceOfSatisfying(
                                                    ModelLoadFailed.class,
                                                    e ->
                                                            assertThat(e.code())
                                                                    .isEqualTo(
                                                                            ErrorCode
                                                                                    .MODEL_UNREADABLE)));
                    // Behind each its state: two records, of which one may not have come yet.
                    assertThat(events.getLast()).isInstanceOf(WorkerState.class);
                    for (int i = 0; i < events.size(); i++) {
                        if (!(events.get(i) instanceof WorkerState)) {
                            assertThat(events.get(i + 1)).isInstanceOf(WorkerState.class);
                        }
                    }
                });
    }

    @Test
    void theWorkerSaysWhoItIs() {
        await().atMost(PATIENCE)
                .untilAsserted(() -> {
                    var records = client.read(Topic.WORKER_EVENTS, 0);
                    assertThat(records).isNotEmpty();
                    assertThat(TestClient.workerEvent(records.getLast()))
                            .isInstanceOfSatisfying(
                                    WorkerState.class,
                                    state -> {
                                        assertThat(state.partitions()).containsExactly(0, 1);
                                        assertThat(state.numericsId())
                                                .isEqualTo(ScriptedLoader.NUMERICS);
                                    });
                });
    }
}
