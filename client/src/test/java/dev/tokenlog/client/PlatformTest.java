package dev.tokenlog.client;

import static dev.tokenlog.client.ScriptedWorker.finished;
import static dev.tokenlog.client.ScriptedWorker.started;
import static dev.tokenlog.client.ScriptedWorker.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.Timeline.Entry;
import dev.tokenlog.client.Timeline.Subject;
import dev.tokenlog.client.example.Moderator;
import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.ControlEvent.CancelRequested;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.RegistryCommand.PromoteRequested;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.Usage;
import dev.tokenlog.contracts.ValidationRequest;
import dev.tokenlog.contracts.WorkerState;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Everything but streams, on a real broker: what the client sends, and what it finds of what the
/// platform's processes have written.
class PlatformTest {

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final Broker broker = Broker.shared();
    private final String prefix = broker.newTopics();
    private TokenlogClient client;
    private ScriptedWorker platform;

    @BeforeEach
    void connect() {
        client =
                TokenlogClient.connect(
                        ClientOptions.of(broker.settings(), prefix).withRequestedBy("anna"));
        platform = new ScriptedWorker(broker.settings(), prefix);
    }

    @AfterEach
    void disconnect() {
        platform.close();
        client.close();
    }

    @Test
    void aConversionIsFollowedToItsEnd() {
        ConversionRequested request =
                new ConversionRequested(
                        null,
                        "demo",
                        "/models/demo",
                        null,
                        new ConversionRequest.Recipe("int4", 32, null),
                        null);
        try (EventStream<ConversionEvent> stream = client.convert(request)) {
            String id = stream.id();
            platform.write(Topic.CONVERSION_EVENTS, "other", accepted("other"));
            platform.write(Topic.CONVERSION_EVENTS, id, accepted(id));
            platform.write(Topic.CONVERSION_EVENTS, id, conversionFinished(id, "sha256-1"));

            List<String> types = new ArrayList<>();
            ConversionEvent last =
                    stream.forEach(PATIENCE, event -> types.add(event.event().type()));

            assertThat(types).containsExactly("ConversionAccepted", "ConversionFinished");
            assertThat(last).isInstanceOf(ConversionFinished.class);
            assertThat(client.followConversion(id).await(PATIENCE)).isEqualTo(last);
            assertThat(events(Topic.CONVERSION_REQUESTS))
                    .singleElement()
                    .isInstanceOfSatisfying(
                            ConversionRequested.class,
                            sent -> {
                                assertThat(sent.conversionId()).isEqualTo(id);
                                assertThat(sent.requestedBy()).isEqualTo("anna");
                            });
        }
    }

    @Test
    void cancelsAndCommandsStandOnTheirTopics() {
        client.cancel("g", "enough");
        client.cancelConversion("c");
        client.command(new PromoteRequested("demo", "sha256-1", true, "anna"));

        assertThat(events(Topic.GENERATION_CONTROLS))
                .extracting(Event::type)
                .containsExactly("CancelRequested");
        assertThat(events(Topic.CONVERSION_REQUESTS))
                .extracting(Event::type)
                .containsExactly("ConversionCancelRequested");
        assertThat(events(Topic.REGISTRY_COMMANDS))
                .containsExactly(new PromoteRequested("demo", "sha256-1", true, "anna"));
    }

    @Test
    void aRefusedCommandIsFoundAmongTheDeadLetters() {
        PromoteRequested command = new PromoteRequested("demo", "sha256-1", null, "anna");
        CommandHandle first = client.command(command);
        CommandHandle second = client.command(command);
        DeadLetter refusal =
                new DeadLetter(
                        second.topic(),
                        second.partition(),
                        second.offset(),
                        ErrorCode.MODEL_REVOKED,
                        "promotion refused",
                        1);
        platform.writeDeadLetter(refusal, bytes("demo"), null);

        assertThat(client.refusal(second)).contains(refusal);
        assertThat(client.refusal(first)).isEmpty();
    }

    @Test
    void modelsAreWhatManifestsAndRegistrySayTogether() {
        platform.write(Topic.MODEL_MANIFESTS, "a", manifest("a", "sha256-1", "c1"));
        platform.write(Topic.MODEL_MANIFESTS, "a", manifest("a", "sha256-2", "c2"));
        platform.write(Topic.MODEL_MANIFESTS, "gone", manifest("gone", "sha256-3", "c3"));
        platform.writeRaw(Topic.MODEL_MANIFESTS, 0, bytes("gone"), null);
        platform.write(Topic.MODEL_REGISTRY, "b", serving("b", "sha256-4"));

        assertThat(client.models()).extracting(ModelEntry::modelId).containsExactly("a", "b");
        assertThat(client.model("a").orElseThrow().manifest().orElseThrow().modelDigest())
                .isEqualTo("sha256-2");
        assertThat(client.model("b").orElseThrow().serving().orElseThrow().state())
                .isEqualTo(ModelServing.State.SERVING);
        assertThat(client.model("gone")).isEmpty();
        assertThat(client.followServing("b", "sha256-4").await(PATIENCE).modelId()).isEqualTo("b");
    }

    @Test
    void aVerdictIsWaitedForByDigestAndByRequest() {
        EventStream<AccuracyEvent> asked =
                client.validate(
                        new ValidationRequest.ValidationRequested(
                                null, "demo", "sha256-1", null, null, null));
        platform.write(Topic.ACCURACY_METRICS, "demo", verdict("another", "sha256-0"));
        platform.write(Topic.ACCURACY_METRICS, "demo", verdict("earlier", "sha256-1"));
        platform.write(Topic.ACCURACY_METRICS, "demo", verdict(asked.id(), "sha256-1"));

        assertThat(client.followAccuracy("demo", "sha256-1", Instant.now()).await(PATIENCE))
                .isEqualTo(verdict("earlier", "sha256-1"));
        assertThat(asked.await(PATIENCE)).isEqualTo(verdict(asked.id(), "sha256-1"));
    }

    /// The gate asks for a verdict under the model id, and one that said nothing is not the last
    /// word on what was published after it.
    @Test
    void aVerdictUnderAnotherIdOrThatSaidNothingBeforeIsNotTheOneWaitedFor() {
        AccuracyEvent none =
                verdict(
                        Map.of(
                                "validation_id",
                                "1",
                                "model_digest",
                                "sha256-5",
                                "verdict",
                                "NONE"));
        AccuracyEvent another =
                verdict(
                        Map.of(
                                "validation_id",
                                "2",
                                "model_digest",
                                "sha256-5",
                                "model_id",
                                "another",
                                "verdict",
                                "PASS"));
        AccuracyEvent own = verdict("3", "sha256-5");
        for (AccuracyEvent event : List.of(none, another, own)) {
            platform.write(Topic.ACCURACY_METRICS, "demo", event);
        }

        Instant later = Instant.now().plusSeconds(60);
        assertThat(client.followAccuracy("demo", "sha256-5", later).await(PATIENCE)).isEqualTo(own);
        assertThat(client.followAccuracy("demo", "sha256-5", Instant.EPOCH).await(PATIENCE))
                .isEqualTo(none);
    }

    @Test
    void workersAreThoseThatHaveNotSaidGoodbye() {
        platform.write(Topic.WORKER_EVENTS, "w1", workerState("w1"));
        platform.write(Topic.WORKER_EVENTS, "w2", workerState("w2"));
        platform.writeRaw(Topic.WORKER_EVENTS, 0, bytes("w1"), null);

        assertThat(client.workers())
                .extracting(entry -> entry.event().workerId())
                .containsExactly("w2");
    }

    @Test
    void usageIsTheLatestOfEachMinuteAndModel() {
        long minute = 60_000;
        platform.write(Topic.USAGE, "demo@2", usage("demo", 2 * minute, 1));
        platform.write(Topic.USAGE, "demo@3", usage("demo", 3 * minute, 1));
        platform.write(Topic.USAGE, "other@3", usage("other", 3 * minute, 5));
        platform.write(Topic.USAGE, "demo@3", usage("demo", 3 * minute, 2));
        platform.write(Topic.USAGE, "demo@1", usage("demo", minute, 9));

        assertThat(client.usage(Instant.ofEpochMilli(2 * minute), null))
                .extracting(Usage::modelId, Usage::generations)
                .containsExactly(tuple("demo", 1L), tuple("demo", 2L), tuple("other", 5L));
        assertThat(client.usage(Instant.EPOCH, "other")).hasSize(1);
    }

    private static Usage usage(String model, long start, long generations) {
        return new Usage(model, start, 60_000, generations, 0, 0, null, null, null, null, 0);
    }

    /// What the example does with text that counts, text that does not, and what has ended.
    @Test
    void theModeratorCancelsWhatReadersSeeAndOnlyOnce() {
        platform.writeTokens(
                0,
                started("bad", "h", List.of()),
                tokens("bad", 1, 0, "so far", 1),
                started("void", "h", List.of()),
                tokens("void", 7, 0, "a secret", 1),
                started("ended", "h", List.of()),
                tokens("ended", 1, 0, "no", 1),
                finished("ended", 1, 1),
                // A worker that was cut off begins it a second time, and one whose beginning is
                // too old goes on.
                started("ended", "h", List.of()),
                tokens("ended", 1, 0, "no secret", 1),
                tokens("old", 1, 5, "one more secret", 1),
                tokens("bad", 1, 1, " so sec", 2),
                tokens("bad", 1, 2, "ret", 3),
                tokens("bad", 1, 3, " secret", 4));
        List<String> told = new ArrayList<>();
        try (Moderator moderator = new Moderator(client, text -> text.contains("secret"))) {
            for (int i = 0; i < 13; i++) {
                moderator.next(
                        PATIENCE, found -> told.add(found.generationId() + ":" + found.text()));
            }
            assertThat(moderator.known()).as("bad, void and ended, not old").isEqualTo(3);
        }
        assertThat(told).containsExactly("bad:so far so secret");
        assertThat(events(Topic.GENERATION_CONTROLS))
                .singleElement()
                .isEqualTo(new CancelRequested("bad", "moderated", "anna"));
    }

    @Test
    void deadLettersAreTheOriginalsBytesAndWhy() {
        byte[] original = {(byte) 0xff, 0, 7};
        platform.writeDeadLetter(platform.letter(2, 17, ErrorCode.UNREADABLE), null, original);

        assertThat(client.deadLetters())
                .singleElement()
                .satisfies(letter -> {
                    assertThat(letter.value()).isEqualTo(original);
                    assertThat(letter.key()).isNull();
                    assertThat(letter.letter())
                            .isEqualTo(platform.letter(2, 17, ErrorCode.UNREADABLE));
                });
    }

    @Test
    void aPromptThatIsSentAgainKeepsWhatItsCallerWroteAndNotWhereItsTokensWere() {
        RecordHeaders headers = new RecordHeaders();
        EventHeaders.set(headers, EventHeaders.TOKENS_FROM, "7");
        EventHeaders.set(headers, "x-tenant", "a");
        platform.writeDeadLetter(
                platform.letter(2, 17, ErrorCode.LOG_GAP),
                null,
                bytes("{\"model_id\":\"demo\",\"prompt\":\"x\"}"),
                headers);
        client.resend(client.deadLetters().getFirst());

        List<Headers> sent = new ArrayList<>();
        try (Cluster cluster = Cluster.connect(ClientOptions.of(broker.settings(), prefix))) {
            cluster.scan(List.of(Topic.PROMPTS), record -> sent.add(record.raw().headers()));
        }
        assertThat(sent)
                .singleElement()
                .satisfies(found -> {
                    assertThat(EventHeaders.text(found, "x-tenant")).contains("a");
                    assertThat(EventHeaders.text(found, EventHeaders.TOKENS_FROM)).isEmpty();
                });
    }

    @Test
    void theAuditLeadsFromATokenToTheSourceOfTheWeights() {
        platform.write(
                Topic.CONVERSION_REQUESTS,
                "c1",
                new ConversionRequested("c1", "demo", "/models/demo", null, null, "anna"));
        platform.write(Topic.CONVERSION_EVENTS, "c1", accepted("c1"));
        platform.write(
                Topic.CONVERSION_EVENTS,
                "c1",
                new ConversionEvent.ArtifactWritten("c1", "sha256-demo", null, null, null, 1, 4.5));
        platform.write(Topic.CONVERSION_EVENTS, "c1", conversionFinished("c1", "sha256-demo"));
        platform.write(Topic.CONVERSION_EVENTS, "c2", accepted("c2"));
        platform.write(Topic.MODEL_MANIFESTS, "demo", manifest("demo", "sha256-demo", "c1"));
        platform.write(Topic.ACCURACY_METRICS, "demo", verdict("v", "sha256-demo"));
        platform.write(Topic.ACCURACY_METRICS, "demo", verdict("v2", "sha256-other"));
        platform.write(Topic.MODEL_REGISTRY, "demo", serving("demo", "sha256-demo"));
        GenerationHandle handle = client.submit(PromptSubmitted.ofText("demo", "Once").build());
        String id = handle.generationId();
        platform.writeTokens(
                handle.partition(),
                started(id, handle.bodyHash().orElseThrow(), null),
                tokens(id, 1, 0, "a", 1),
                tokens(id, 1, 5, "gap", 2),
                finished(id, 1, 1));
        client.submit(PromptSubmitted.ofText("demo", "Another").build());

        Timeline generation = client.audit(id).orElseThrow();

        assertThat(generation.subject()).isEqualTo(Subject.GENERATION);
        assertThat(generation.modelDigest()).contains("sha256-demo");
        assertThat(types(generation))
                .containsExactly(
                        "ConversionRequested",
                        "ConversionAccepted",
                        "ArtifactWritten",
                        "ConversionFinished",
                        "ModelManifest",
                        "ValidationFinished",
                        "ModelServing",
                        "PromptSubmitted",
                        "GenerationStarted",
                        "TokensGenerated",
                        "TokensGenerated",
                        "GenerationFinished");
        assertThat(generation.entries())
                .filteredOn(entry -> !entry.note().isEmpty())
                .singleElement()
                .satisfies(entry -> assertThat(entry.note()).isEqualTo("void: NOT_THE_NEXT_INDEX"));

        Timeline conversion = client.audit("c1").orElseThrow();
        assertThat(conversion.subject()).isEqualTo(Subject.CONVERSION);
        assertThat(conversion.modelDigest()).contains("sha256-demo");
        assertThat(types(conversion))
                .startsWith("ConversionRequested")
                .endsWith("ModelServing")
                .hasSize(7);

        Timeline model = client.audit("demo").orElseThrow();
        assertThat(model.subject()).isEqualTo(Subject.MODEL);
        assertThat(types(model)).containsAll(types(conversion));

        Timeline digest = client.audit("sha256-demo").orElseThrow();
        assertThat(digest.modelDigest()).contains("sha256-demo");
        assertThat(types(digest)).isEqualTo(types(conversion));

        assertThat(client.audit("nothing")).isEmpty();
    }

    @Test
    void aDeadLetterStandsInTheAuditOfItsPrompt() {
        platform.writeRaw(Topic.PROMPTS, 1, null, bytes("{\"model_id\":7}"));
        platform.writeDeadLetter(
                platform.letter(1, 0, ErrorCode.INVALID_SHAPE), null, bytes("{\"model_id\":7}"));

        Timeline timeline = client.audit("1-0").orElseThrow();

        assertThat(timeline.entries())
                .extracting(Entry::topic)
                .containsExactly(Topic.PROMPTS, Topic.DEAD_LETTERS);
        assertThat(timeline.entries().getLast().note()).isEqualTo("INVALID_SHAPE: because");
    }

    private static List<String> types(Timeline timeline) {
        return timeline.entries().stream()
                .map(entry -> entry.event().orElseThrow().type())
                .toList();
    }

    private List<Event> events(Topic topic) {
        List<Event> events = new ArrayList<>();
        try (Cluster cluster = Cluster.connect(ClientOptions.of(broker.settings(), prefix))) {
            cluster.scan(List.of(topic), record -> events.add(record.event().orElseThrow()));
        }
        return events;
    }

    private static Event accepted(String id) {
        return new ConversionEvent.ConversionAccepted(
                id, "m-" + id, "/models/demo", null, "anna", "w", "1");
    }

    private static Event conversionFinished(String id, String digest) {
        return new ConversionFinished(id, "demo", digest, 1, 1, 4.5, 7.1, 3.5, 10);
    }

    private static ModelManifest manifest(String id, String digest, String conversion) {
        return event(
                Topic.MODEL_MANIFESTS,
                ModelManifest.class,
                Map.of("model_id", id, "model_digest", digest, "conversion_id", conversion));
    }

    private static ModelServing serving(String id, String digest) {
        ModelServing sample =
                event(Topic.MODEL_REGISTRY, ModelServing.class, Map.of("model_id", id));
        ModelServing.Version version =
                event(Topic.MODEL_REGISTRY, ModelServing.class, Map.of()).current();
        ModelServing.Version current =
                new ModelServing.Version(
                        digest,
                        version.state(),
                        version.verdict(),
                        version.validationId(),
                        version.numericsId(),
                        version.location(),
                        version.manifestSha256(),
                        version.family(),
                        version.quantization(),
                        version.bitsPerWeight(),
                        version.bytes(),
                        version.contextLength(),
                        version.reason());
        return new ModelServing(sample.modelId(), sample.state(), current, List.of(current));
    }

    private static AccuracyEvent verdict(String validationId, String digest) {
        return verdict(
                Map.of("validation_id", validationId, "model_digest", digest, "verdict", "PASS"));
    }

    private static AccuracyEvent verdict(Map<String, String> values) {
        return event(Topic.ACCURACY_METRICS, AccuracyEvent.ValidationFinished.class, values);
    }

    private static WorkerState workerState(String id) {
        return event(Topic.WORKER_EVENTS, WorkerState.class, Map.of("worker_id", id));
    }

    /// The frozen sample of a type with other values in some of its fields.
    private static <E extends Event> E event(
            Topic topic, Class<E> type, Map<String, String> values) {
        ObjectMapper json = new ObjectMapper();
        try (var in =
                Event.class.getResourceAsStream("sample/" + type.getSimpleName() + ".v1.json")) {
            JsonNode sample = json.readTree(in);
            values.forEach(((ObjectNode) sample)::put);
            return type.cast(
                    EventJson.read(json.writeValueAsBytes(sample), topic.payload().orElseThrow()));
        } catch (JsonProcessingException | UnreadableEventException e) {
            throw new IllegalStateException(e);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
