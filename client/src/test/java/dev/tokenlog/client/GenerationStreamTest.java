package dev.tokenlog.client;

import static dev.tokenlog.client.ScriptedWorker.finished;
import static dev.tokenlog.client.ScriptedWorker.resumed;
import static dev.tokenlog.client.ScriptedWorker.started;
import static dev.tokenlog.client.ScriptedWorker.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Streams on a real broker, against what a scripted worker writes.
class GenerationStreamTest {

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static String prefix;
    private static TokenlogClient client;
    private static ScriptedWorker worker;

    @BeforeAll
    static void connect() {
        Broker broker = Broker.shared();
        prefix = broker.newTopics();
        client = TokenlogClient.connect(broker.settings(), prefix);
        worker = new ScriptedWorker(broker.settings(), prefix);
    }

    @AfterAll
    static void disconnect() {
        worker.close();
        client.close();
    }

    @Test
    void aStreamIsWholeWhateverBecameOfTheWorkers() {
        try (GenerationStream stream = client.generate(prompt().build())) {
            GenerationHandle handle = stream.handle();
            String id = handle.generationId();
            worker.writeTokens(
                    handle.partition(),
                    started(id, handle.bodyHash().orElseThrow(), null),
                    tokens(id, 1, 0, "Once", 1),
                    tokens("somebody-else", 1, 0, "no", 9));
            worker.writeRaw(
                    Topic.TOKENS,
                    handle.partition(),
                    id.getBytes(StandardCharsets.UTF_8),
                    "no JSON".getBytes(StandardCharsets.UTF_8));
            worker.writeTokens(
                    handle.partition(),
                    resumed(id, 2),
                    tokens(id, 1, 1, " a zombie", 8),
                    resumed(id, 2),
                    tokens(id, 2, 1, " upon", 2),
                    tokens(id, 2, 1, " twice", 7),
                    tokens(id, 2, 2, "", 3),
                    tokens(id, 2, 3, " a time", 4, 5),
                    finished(id, 1, 1),
                    finished(id, 2, 5),
                    tokens(id, 2, 5, " after", 6));

            GenerationResult result = stream.await(PATIENCE);

            assertThat(result.text()).isEqualTo("Once upon a time");
            assertThat(result.tokenIds()).containsExactly(1, 2, 3, 4, 5);
            assertThat(result.attempts()).isEqualTo(2);
            assertThat(result.finished()).isTrue();
            assertThat(result.end().attempt()).isEqualTo(2);

            // Again from the handle, by the id alone, and by another client.
            assertThat(client.stream(handle).await(PATIENCE)).isEqualTo(result);
            GenerationResult found = client.attach(id).await(PATIENCE);
            assertThat(found.text()).isEqualTo(result.text());
            assertThat(found.tokenIds()).isEqualTo(result.tokenIds());
            try (TokenlogClient other =
                    TokenlogClient.connect(Broker.shared().settings(), prefix)) {
                assertThat(other.stream(handle).await(PATIENCE)).isEqualTo(result);
            }
        }
    }

    @Test
    void textThatMayBecomeAStopTextIsHeldBack() {
        try (GenerationStream stream = client.generate(prompt().stop(List.of("STOP")).build())) {
            GenerationHandle handle = stream.handle();
            String id = handle.generationId();
            worker.writeTokens(
                    handle.partition(),
                    started(id, handle.bodyHash().orElseThrow(), List.of("STOP")),
                    tokens(id, 1, 0, "one ST", 1, 2),
                    tokens(id, 1, 2, "EP ST", 3, 4),
                    tokens(id, 1, 4, "OP more", 5, 6),
                    finished(id, 1, 6));

            List<String> pieces = new ArrayList<>();
            GenerationResult result =
                    stream.forEach(
                            PATIENCE,
                            update -> {
                                if (update instanceof GenerationUpdate.Tokens tokens) {
                                    pieces.add(tokens.text());
                                }
                            });

            assertThat(pieces).containsExactly("one ", "STEP ", "");
            assertThat(result.tokenIds()).containsExactly(1, 2, 3, 4, 5, 6);
        }
    }

    @Test
    void whatWasHeldBackComesAtTheEndIfItDidNotBecomeOne() {
        try (GenerationStream stream = client.generate(prompt().stop(List.of("STOP")).build())) {
            GenerationHandle handle = stream.handle();
            String id = handle.generationId();
            worker.writeTokens(
                    handle.partition(),
                    started(id, handle.bodyHash().orElseThrow(), List.of("STOP")),
                    tokens(id, 1, 0, "one STO", 1),
                    finished(id, 1, 1));

            assertThat(stream.await(PATIENCE).text()).isEqualTo("one STO");
        }
    }

    @Test
    void anotherPromptUnderTheSameIdIsAConflictAndDeliversNothing() {
        String id = "chosen-" + System.nanoTime();
        GenerationHandle first = client.submit(prompt().generationId(id).build());
        worker.writeTokens(
                first.partition(),
                started(id, first.bodyHash().orElseThrow(), null),
                tokens(id, 1, 0, "theirs", 1),
                finished(id, 1, 1));

        // The same again is the same generation …
        try (GenerationStream same = client.generate(prompt().generationId(id).build())) {
            assertThat(same.await(PATIENCE).text()).isEqualTo("theirs");
        }
        // … another one is not.
        try (GenerationStream other =
                client.generate(PromptSubmitted.ofText("demo", "Other").generationId(id).build())) {
            assertThatThrownBy(() -> other.await(PATIENCE))
                    .isInstanceOfSatisfying(
                            TokenlogException.class,
                            e -> assertThat(e.code()).contains(ErrorCode.ID_CONFLICT));
        }
    }

    @Test
    void aReaderThatStartsTooLateDeliversNothing() {
        GenerationHandle handle = client.submit(prompt().build());
        String id = handle.generationId();
        worker.writeTokens(
                handle.partition(),
                started(id, handle.bodyHash().orElseThrow(), null),
                tokens(id, 1, 0, "early", 1));
        GenerationHandle late =
                new GenerationHandle(
                        id, handle.partition(), handle.tokensOffset() + 1, Optional.empty());
        try (GenerationStream stream = client.stream(late)) {
            worker.writeTokens(
                    handle.partition(),
                    resumed(id, 2),
                    tokens(id, 2, 1, "late", 2),
                    finished(id, 2, 2));
            // The other reader has had everything when this one has had its chance.
            assertThat(client.stream(handle).await(PATIENCE).text()).isEqualTo("earlylate");
            assertThat(stream.next(Duration.ofMillis(200))).isEmpty();
            assertThat(stream.ended()).isFalse();
        }
    }

    @Test
    void aGenerationWithoutAnIdOfItsOwnIsFoundByItsPlace() {
        worker.writeRaw(
                Topic.PROMPTS,
                2,
                null,
                "{\"model_id\":\"demo\",\"prompt\":\"typed\"}".getBytes(StandardCharsets.UTF_8));
        String id =
                IntStream.range(0, 100)
                        .mapToObj(offset -> "2-" + offset)
                        .filter(candidate -> client.find(candidate).isPresent())
                        .findFirst()
                        .orElseThrow();

        GenerationStream stream = client.attach(id);
        worker.writeTokens(
                2, started(id, null, null), tokens(id, 1, 0, "x", 1), finished(id, 1, 1));

        assertThat(stream.await(PATIENCE).text()).isEqualTo("x");
    }

    @Test
    void whatNobodyAskedForIsNotFound() {
        assertThat(client.find("nobody")).isEmpty();
        assertThatThrownBy(() -> client.attach("nobody"))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.NOT_FOUND));
    }

    @Test
    void silenceEndsTheWaitAndNotTheStream() {
        try (GenerationStream stream = client.generate(prompt().build())) {
            GenerationHandle handle = stream.handle();
            assertThatThrownBy(() -> stream.await(Duration.ofMillis(50)))
                    .isInstanceOfSatisfying(
                            TokenlogException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.TIMEOUT));
            worker.writeTokens(
                    handle.partition(),
                    started(handle.generationId(), handle.bodyHash().orElseThrow(), null),
                    finished(handle.generationId(), 1, 0));
            assertThat(stream.await(PATIENCE).finished()).isTrue();
        }
    }

    @Test
    void whoAsksForWhatWasDeletedIsToldAndNobodyElseNotices() throws Exception {
        String conversation = "kept";
        GenerationHandle deleted = client.submit(prompt().conversationId(conversation).build());
        worker.writeTokens(
                deleted.partition(),
                started(deleted.generationId(), deleted.bodyHash().orElseThrow(), null),
                finished(deleted.generationId(), 1, 0));
        try (GenerationStream live =
                client.generate(prompt().conversationId(conversation).build())) {
            try (Admin admin = Admin.create(Broker.shared().settings())) {
                admin.deleteRecords(
                                Map.of(
                                        new TopicPartition(
                                                Topic.TOKENS.name(prefix), deleted.partition()),
                                        RecordsToDelete.beforeOffset(deleted.tokensOffset() + 2)))
                        .all()
                        .get();
            }

            try (GenerationStream late = client.stream(deleted)) {
                assertThatThrownBy(() -> late.await(PATIENCE))
                        .isInstanceOfSatisfying(
                                TokenlogException.class,
                                e -> assertThat(e.kind()).isEqualTo(Kind.LOG_GAP));
            }
            GenerationHandle handle = live.handle();
            worker.writeTokens(
                    handle.partition(),
                    started(handle.generationId(), handle.bodyHash().orElseThrow(), null),
                    tokens(handle.generationId(), 1, 0, "here", 1),
                    finished(handle.generationId(), 1, 1));
            assertThat(live.await(PATIENCE).text()).isEqualTo("here");
        }
    }

    @Test
    void manyStreamsShareOneReader() {
        int count = 40;
        List<GenerationStream> streams = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            streams.add(client.generate(prompt().build()));
        }
        Random random = new Random(1);
        int[] next = new int[count];
        Map<Integer, List<TokenEvent>> events = new TreeMap<>();
        for (int step = 0; step < count * 20; step++) {
            int which = random.nextInt(count);
            GenerationHandle handle = streams.get(which).handle();
            String id = handle.generationId();
            List<TokenEvent> partition =
                    events.computeIfAbsent(handle.partition(), _ -> new ArrayList<>());
            if (next[which] == 0) {
                partition.add(started(id, handle.bodyHash().orElseThrow(), null));
            }
            partition.add(tokens(id, 1, next[which], "t", next[which]++));
        }
        for (int i = 0; i < count; i++) {
            GenerationHandle handle = streams.get(i).handle();
            events.get(handle.partition()).add(finished(handle.generationId(), 1, next[i]));
        }
        events.forEach(
                (partition, all) -> worker.writeTokens(partition, all.toArray(TokenEvent[]::new)));

        for (int i = 0; i < count; i++) {
            try (GenerationStream stream = streams.get(i)) {
                assertThat(stream.await(PATIENCE).tokenIds())
                        .containsExactlyElementsOf(IntStream.range(0, next[i]).boxed().toList());
            }
        }
    }

    @Test
    void aPromptOfMoreThanAMebibyteIsRefusedBeforeItIsSent() {
        PromptSubmitted large = PromptSubmitted.ofText("demo", "x".repeat(1 << 20)).build();
        for (Runnable attempt :
                List.<Runnable>of(() -> client.submit(large), () -> client.generate(large))) {
            assertThatThrownBy(attempt::run)
                    .isInstanceOfSatisfying(
                            TokenlogException.class,
                            e -> assertThat(e.code()).contains(ErrorCode.TOO_LARGE));
        }
        // Just below, the topic takes it.
        client.submit(PromptSubmitted.ofText("demo", "x".repeat((1 << 20) - 600)).build());
    }

    @Test
    void anIdThatLooksAssignedIsRefused() {
        assertThatThrownBy(() -> client.submit(prompt().generationId("3-17").build()))
                .isInstanceOfSatisfying(
                        TokenlogException.class,
                        e -> assertThat(e.code()).contains(ErrorCode.INVALID_ID));
    }

    @Test
    void theConversationDecidesThePartition() {
        int partition = client.submit(prompt().conversationId("c").build()).partition();
        for (int i = 0; i < 5; i++) {
            assertThat(client.submit(prompt().conversationId("c").build()).partition())
                    .isEqualTo(partition);
        }
    }

    @Test
    void callersHeadersStandInThePromptsRecord() {
        GenerationHandle handle =
                client.submit(prompt().build(), Map.of("x-tenant", "anna", "traceparent", "00-1"));
        List<String> found = new ArrayList<>();
        try (Cluster cluster =
                Cluster.connect(ClientOptions.of(Broker.shared().settings(), prefix))) {
            cluster.scan(
                    List.of(Topic.PROMPTS),
                    record -> {
                        if (Generations.isPrompt(record, handle.generationId())) {
                            record.raw()
                                    .headers()
                                    .forEach(header ->
                                            found.add(
                                                    header.key()
                                                            + "="
                                                            + new String(
                                                                    header.value(),
                                                                    StandardCharsets.UTF_8)));
                        }
                    });
        }
        assertThat(found)
                .containsExactlyInAnyOrder(
                        "type=PromptSubmitted",
                        "schema-version=1",
                        "tokens-from=" + handle.tokensOffset(),
                        "x-tenant=anna",
                        "traceparent=00-1");
    }

    @Test
    void closingTheClientEndsItsStreams() {
        TokenlogClient other = TokenlogClient.connect(Broker.shared().settings(), prefix);
        GenerationStream stream = other.generate(prompt().build());
        other.close();
        assertThatThrownBy(() -> stream.await(PATIENCE))
                .isInstanceOfSatisfying(
                        TokenlogException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CLOSED));
    }

    private static PromptEvent.Builder promptOf(String text) {
        return PromptSubmitted.ofText("demo", text);
    }

    private static PromptEvent.Builder prompt() {
        return promptOf("Once");
    }
}
