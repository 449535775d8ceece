package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.inference.protocol.StreamJudge;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Real processes with the bundled model: one is killed, or told to end, in the middle of its
/// answers; what readers get is what an undisturbed run gives.
class WorkerProcessIT {

    private static final Path DEMO =
            Path.of(System.getProperty("tokenlog.root", ".."), "demo-model", "model");
    private static final int PARTITIONS = 4;
    private static final int PROMPTS = 16;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    @TempDir private static Path folder;
    private static EmbeddedKafka kafka;
    private static ModelServing served;
    private static Map<String, List<Integer>> undisturbed;

    @BeforeAll
    static void runUndisturbed() throws Exception {
        served = convert();
        kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")));
        try (TestClient client = prepare("calm-");
                WorkerProcess worker = start("calm-", "calm")) {
            awaitWorkers(client, 1);
            send(client);
            undisturbed = awaitAnswers(client);
            assertThat(worker.end()).isLessThan(Duration.ofSeconds(10));
            assertThat(workers(client)).isEmpty();
        }
    }

    @AfterAll
    static void stop() {
        kafka.close();
    }

    private static ModelServing convert() {
        try (SourceModel source = SourceModel.open(DEMO);
                Artifact artifact =
                        new Converter()
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT8),
                                        new ArtifactStore(folder.resolve("artifacts")),
                                        new ConversionListener() {})) {
            ModelServing.Version version =
                    new ModelServing.Version(
                            artifact.digest().orElseThrow(),
                            ModelServing.State.SERVING,
                            null,
                            null,
                            null,
                            artifact.folder().toString(),
                            null,
                            null,
                            null,
                            8,
                            1,
                            artifact.plan().contextLength(),
                            null);
            return new ModelServing("demo", ModelServing.State.SERVING, version, List.of(version));
        }
    }

    private static TestClient prepare(String prefix) {
        try (TopicAdmin topics =
                TopicAdmin.connect(
                        Map.of("bootstrap.servers", kafka.bootstrapServers()),
                        prefix,
                        Duration.ofSeconds(30))) {
            topics.create(new TopicLayout(PARTITIONS, (short) 1));
        }
        TestClient client = new TestClient(kafka.bootstrapServers(), prefix);
        client.send(Topic.MODEL_REGISTRY, 0, "demo", served);
        return client;
    }

    private static WorkerProcess start(String prefix, String name) {
        return WorkerProcess.start(kafka.bootstrapServers(), prefix, folder, prefix + name);
    }

    private static void send(TestClient client) {
        send(client, 0);
    }

    /// The same prompts under the names of this round.
    private static void send(TestClient client, int round) {
        for (int i = 0; i < PROMPTS; i++) {
            PromptSubmitted prompt =
                    PromptSubmitted.ofMessages(
                                    "demo",
                                    List.of(
                                            new Message(
                                                    "user",
                                                    "Tell me a story about a brave fox who finds a lantern.")))
                            .generationId("story-" + i + (round == 0 ? "" : "-round-" + round))
                            .temperature(0.8)
                            .topP(0.95)
                            .seed(new UnsignedSeed(i))
                            .maxTokens(300)
                            .build();
            client.send(Topic.PROMPTS, i % PARTITIONS, prompt.generationId(), prompt);
        }
    }

    /// Ids of the workers that have announced themselves, with their partitions.
    private static Map<String, Integer> workers(TestClient client) {
        Map<String, Integer> workers = new TreeMap<>();
        for (ConsumerRecord<byte[], byte[]> record : client.read(Topic.WORKER_EVENTS, 0)) {
            String id = new String(record.key(), StandardCharsets.UTF_8);
            if (record.value() == null) {
                workers.remove(id);
            } else if (TestClient.workerEvent(record) instanceof WorkerState state) {
                workers.put(id, state.partitions().size());
            }
        }
        return workers;
    }

    private static Set<String> awaitWorkers(TestClient client, int count) {
        await(count + " workers with partitions")
                .atMost(PATIENCE)
                .until(() -> workers(client).values().stream().filter(n -> n > 0).count() == count);
        return new TreeSet<>(workers(client).keySet());
    }

    private static Map<String, StreamJudge.Stream> streams(TestClient client) {
        Map<String, StreamJudge.Stream> streams = new HashMap<>();
        for (List<TokenEvent> partition : client.tokens(PARTITIONS)) {
            for (TokenEvent event : partition) {
                streams.computeIfAbsent(event.generationId(), _ -> new StreamJudge.Stream(false))
                        .take(event);
            }
        }
        return streams;
    }

    /// Rounds of prompts, so that one is under way whenever this worker gets its partitions.
    ///
    /// @return how many prompts that took
    private static int sendUntilAssigned(TestClient client, WorkerProcess worker) {
        int sent = 0;
        for (int round = 0; !isAssigned(worker); round++) {
            send(client, round);
            sent += PROMPTS;
            int begun = sent - PROMPTS;
            await("the round before has ended, or partitions are assigned")
                    .atMost(PATIENCE)
                    .until(() -> isAssigned(worker) || ended(client) >= begun);
        }
        return sent;
    }

    private static boolean isAssigned(WorkerProcess worker) {
        return worker.log().contains(" assigned [");
    }

    private static long ended(TestClient client) {
        return streams(client).values().stream().filter(s -> s.end != null).count();
    }

    private static Map<String, StreamJudge.Stream> awaitEnds(TestClient client, int count) {
        await("ends of all generations").atMost(PATIENCE).until(() -> ended(client) == count);
        return streams(client);
    }

    private static Map<String, List<Integer>> awaitAnswers(TestClient client) {
        awaitEnds(client, PROMPTS);
        Map<String, List<Integer>> answers = new TreeMap<>();
        streams(client)
                .forEach((id, stream) -> {
                    assertThat(stream.verdict()).as(id).isEmpty();
                    assertThat(stream.end).as(id).isInstanceOf(GenerationFinished.class);
                    answers.put(id, stream.tokens);
                });
        return answers;
    }

    /// Starts two workers and waits until the second is in the middle of answers.
    ///
    /// @return the second
    private static WorkerProcess inTheMiddle(TestClient client, String prefix) {
        Set<String> first = awaitWorkers(client, 1);
        WorkerProcess second = start(prefix, "second");
        Set<String> both = awaitWorkers(client, 2);
        both.removeAll(first);
        String id = both.iterator().next();
        send(client);
        await("the second worker is in the middle of answers")
                .atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(10))
                .until(() ->
                        streams(client).values().stream()
                                .anyMatch(s ->
                                        s.end == null
                                                && s.tokens.size() > 3
                                                && id.equals(s.start.workerId())));
        return second;
    }

    @Test
    void aKilledWorkersAnswersGoOnElsewhereWithTheSameTokens() throws Exception {
        try (TestClient client = prepare("killed-");
                WorkerProcess _ = start("killed-", "first")) {
            inTheMiddle(client, "killed-").kill();
            assertThat(awaitAnswers(client)).isEqualTo(undisturbed);
            assertThat(streams(client).values()).anyMatch(s -> s.attempt > 1);
        }
    }

    /// An operator's `kafka-delete-records.sh`, while nobody is there who remembers.
    @Test
    void tokensThatWereDeletedBeforeTheEndFailTheirGenerations() throws Exception {
        try (TestClient client = prepare("deleted-")) {
            WorkerProcess first = start("deleted-", "first");
            awaitWorkers(client, 1);
            send(client);
            await("all have begun, not all have ended")
                    .atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> {
                        Map<String, StreamJudge.Stream> seen = streams(client);
                        return seen.size() == PROMPTS
                                && seen.values().stream().anyMatch(s -> !s.tokens.isEmpty());
                    });
            first.kill();
            Set<String> unfinished = new TreeSet<>();
            streams(client)
                    .forEach((id, stream) -> {
                        if (stream.end == null) {
                            unfinished.add(id);
                        }
                    });
            assertThat(unfinished).isNotEmpty();
            client.deleteAll(Topic.TOKENS, PARTITIONS);
            try (WorkerProcess _ = start("deleted-", "second")) {
                await("ends of all that had not ended")
                        .atMost(PATIENCE)
                        .until(() ->
                                streams(client).values().stream().filter(s -> s.end != null).count()
                                        >= unfinished.size());
                streams(client)
                        .forEach((id, stream) -> {
                            // One whose end was not committed any more may be among them.
                            assertThat(stream.tokens).as(id).isEmpty();
                            assertThat(stream.end)
                                    .as(id)
                                    .isInstanceOfSatisfying(
                                            GenerationFailed.class,
                                            f -> assertThat(f.code()).isEqualTo(ErrorCode.LOG_GAP));
                        });
                assertThat(streams(client).keySet()).containsAll(unfinished);
                send(client, 1);
                await("answers to new prompts")
                        .atMost(PATIENCE)
                        .until(() ->
                                streams(client).entrySet().stream()
                                                .filter(e -> e.getKey().endsWith("-round-1"))
                                                .filter(e -> e.getValue().end != null)
                                                .count()
                                        == PROMPTS);
                streams(client)
                        .forEach((id, stream) -> {
                            if (id.endsWith("-round-1")) {
                                assertThat(stream.tokens)
                                        .as(id)
                                        .isEqualTo(undisturbed.get(id.replaceAll("-round.*", "")));
                            }
                        });
            }
        }
    }

    @Test
    void aWorkerThatIsToldToEndHandsOverWithinSeconds() throws Exception {
        try (TestClient client = prepare("ended-");
                WorkerProcess _ = start("ended-", "first")) {
            WorkerProcess leaving = inTheMiddle(client, "ended-");
            assertThat(leaving.end()).isLessThan(Duration.ofSeconds(10));
            assertThat(leaving.log())
                    .as("others have its partitions before its channel closes")
                    .containsSubsequence("left the group with its last commits", " stopped in ");
            assertThat(awaitAnswers(client)).isEqualTo(undisturbed);
            assertThat(streams(client).values()).anyMatch(s -> s.attempt > 1);
            awaitWorkers(client, 1);
        }
    }

    @Test
    void aWorkerThatJoinsTakesPartitionsOverInTheMiddleOfAnswers() throws Exception {
        try (TestClient client = prepare("joined-");
                WorkerProcess first = start("joined-", "first")) {
            awaitWorkers(client, 1);
            try (WorkerProcess second = start("joined-", "second")) {
                int sent = sendUntilAssigned(client, second);
                awaitWorkers(client, 2);
                Map<String, StreamJudge.Stream> all = awaitEnds(client, sent);
                all.forEach((id, stream) -> {
                    assertThat(stream.verdict()).as(id).isEmpty();
                    assertThat(stream.tokens)
                            .as(id)
                            .isEqualTo(undisturbed.get(id.replaceAll("-round.*", "")));
                });
                assertThat(all.values()).anyMatch(s -> s.attempt > 1);
                assertThat(first.log()).contains("revoked").doesNotContain("not handed over");
                assertThat(second.log())
                        .as("has its model before streams wait for it")
                        .containsSubsequence("model loaded", "warm after", " assigned [");
            }
        }
    }

    @Test
    void aBrokerThatIsKilledAndComesBackCostsNoAnswer() throws Exception {
        try (TestClient client = prepare("broker-");
                WorkerProcess worker = start("broker-", "only")) {
            awaitWorkers(client, 1);
            send(client);
            await("the middle of answers")
                    .atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(10))
                    .until(() ->
                            streams(client).values().stream()
                                    .anyMatch(s -> s.end == null && s.tokens.size() > 3));
            kafka.kill();
            kafka.restart();
            assertThat(awaitAnswers(client)).as(worker.log()).isEqualTo(undisturbed);
            assertThat(worker.end()).isLessThan(Duration.ofSeconds(10));
        }
    }
}
