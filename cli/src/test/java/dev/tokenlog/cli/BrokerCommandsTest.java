package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Commands on a real broker, without processors: what a worker would have written is written as
/// plain JSON.
class BrokerCommandsTest {

    @TempDir static Path folder;

    private static InProcessKafka kafka;

    @BeforeAll
    static void start() {
        kafka = InProcessKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")));
        try (TopicAdmin admin =
                TopicAdmin.connect(
                        Map.of("bootstrap.servers", kafka.bootstrapServers()),
                        "",
                        Duration.ofSeconds(20))) {
            admin.create(TopicLayout.EMBEDDED);
        }
    }

    @AfterAll
    static void stop() {
        kafka.close();
    }

    @Test
    void topicsAreCreatedUnderAPrefixAndThenFoundRight() {
        CommandRun created =
                run("topics", "--partitions=2", "--replication=1", "--topic-prefix=p.", "--json");
        assertThat(created.status()).as(created.toString()).isZero();
        JsonNode answer = Json.read(created.out(), "topics");
        assertThat(answer.path("created")).hasSize(Topic.values().length);
        assertThat(answer.path("problems")).isEmpty();
        assertThat(answer.has("group_problem")).isFalse();

        CommandRun again = run("topics", "--check", "--topic-prefix", "p.", "--json");
        assertThat(again.status()).isZero();
        assertThat(Json.read(again.out(), "topics").path("created")).isEmpty();
    }

    @Test
    void missingTopicsAreNamedWithTheCommandThatCreatesThem() {
        CommandRun run = run("models", "--topic-prefix", "nobody-made-these.");
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err()).contains("tokenlog topics").doesNotContain("\tat ");
    }

    @Test
    void wrongPartitionCountIsNamed() {
        CommandRun run = run("topics", "--partitions", "9", "--replication", "1");
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.NO);
        assertThat(run.err()).contains("prompts").contains("4").contains("9");
    }

    @Test
    void anEmptyLogHasNoModelsAndNoWorkers() {
        assertThat(Json.read(run("models", "--json").out(), "models").path("models")).isEmpty();
        assertThat(Json.read(run("workers", "--json").out(), "workers").path("workers")).isEmpty();
        assertThat(run("dead-letters", "list", "--json").out()).isEmpty();
        assertThat(Json.read(run("usage", "--json").out(), "usage").path("usage")).isEmpty();
    }

    @Test
    void usageOfLessThanAMinuteIsRefused() {
        CommandRun run = run("usage", "--minutes", "0");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("--minutes is 0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"attach", "cancel", "audit", "models promote", "models revoke", "validate"})
    void whatTheLogDoesNotHoldIsNotFound(String command) {
        String[] arguments = (command + " nobody-knows-this").split(" ");
        CommandRun run = run(arguments);
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.NO);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("nobody-knows-this");
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void attachReadsAGenerationWithoutGapOrRepetition() throws Exception {
        write(
                0,
                "g-1",
                """
                {"type":"GenerationStarted","generation_id":"g-1","attempt":1,"model_id":"demo","prompt_offset":0,"body_hash":"x","worker_id":"a","numerics_id":"cpu-2/kv16","seed":7,"parameters":{"max_tokens":8}}
                """,
                """
                {"type":"TokensGenerated","generation_id":"g-1","prompt_offset":0,"attempt":1,"index":0,"token_ids":[1],"text":"Once"}
                """,
                """
                {"type":"GenerationResumed","generation_id":"g-1","prompt_offset":0,"attempt":2,"worker_id":"b","numerics_id":"cpu-2/kv16"}
                """,
                """
                {"type":"TokensGenerated","generation_id":"g-1","prompt_offset":0,"attempt":1,"index":1,"token_ids":[9],"text":" void"}
                """,
                """
                {"type":"TokensGenerated","generation_id":"g-1","prompt_offset":0,"attempt":2,"index":1,"token_ids":[2,3],"text":" upon a time"}
                """,
                """
                {"type":"GenerationFinished","generation_id":"g-1","prompt_offset":0,"attempt":2,"reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":3},"token_hash":"00","timings":{"queue_ms":3,"first_token_ms":41,"total_ms":902,"tokens_per_second":55.0}}
                """);

        CommandRun text = run("attach", "g-1");
        assertThat(text.status()).as(text.toString()).isZero();
        assertThat(text.out()).isEqualTo("Once upon a time\n");
        assertThat(text.err()).contains("first token 41 ms").contains("55 tokens/s");

        List<JsonNode> lines = jsonLines(run("attach", "g-1", "--json").out());
        assertThat(lines)
                .extracting(line -> line.path("type").asText())
                .containsExactly(
                        "GenerationStarted",
                        "TokensGenerated",
                        "GenerationResumed",
                        "TokensGenerated",
                        "GenerationFinished");

        CommandRun audit = run("audit", "g-1", "--all");
        assertThat(audit.status()).isZero();
        assertThat(audit.out()).contains("tokens[0]@").contains("void");
    }

    @Test
    void aFailedGenerationIsStatusOneWithItsCode() throws Exception {
        write(
                1,
                "g-2",
                """
                {"type":"GenerationStarted","generation_id":"g-2","attempt":1,"model_id":"demo","prompt_offset":5,"body_hash":"x","worker_id":"a"}
                """,
                """
                {"type":"GenerationFailed","generation_id":"g-2","prompt_offset":5,"attempt":1,"code":"MODEL_UNKNOWN","message":"demo is not in the registry","usage":{"prompt_tokens":0,"completion_tokens":0}}
                """);
        CommandRun run = run("attach", "g-2");
        assertThat(run.status()).isEqualTo(ExitStatus.NO);
        assertThat(run.err()).contains("MODEL_UNKNOWN").contains("demo is not in the registry");
    }

    @Test
    void withoutAWorkerGenerateSaysThatNothingCame() {
        CommandRun run = run("generate", "demo", "hello", "--timeout", "4");
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.NO);
        assertThat(run.err()).contains("no event of generation").contains("4 s");
    }

    @Test
    void aPromptOverTheLimitIsRefusedBeforeItIsSent() throws Exception {
        Path big = Files.writeString(folder.resolve("big.txt"), "fox ".repeat(300_000));
        CommandRun run = run("generate", "demo", "--prompt-file", big.toString());
        assertThat(run.status()).isEqualTo(ExitStatus.NO);
        assertThat(run.err()).contains("TOO_LARGE");
        assertThat(run.err().lines()).hasSize(1);
    }

    private static CommandRun run(String... arguments) {
        return CommandRun.of(
                Stream.concat(
                                Stream.of(arguments),
                                Stream.of("--bootstrap", kafka.bootstrapServers()))
                        .toArray(String[]::new));
    }

    private static List<JsonNode> jsonLines(String text) {
        List<JsonNode> lines = new ArrayList<>();
        text.lines().forEach(line -> lines.add(Json.read(line, "a line")));
        return lines;
    }

    private static void write(int partition, String key, String... events) throws Exception {
        try (KafkaProducer<String, byte[]> producer =
                new KafkaProducer<>(
                        Map.of("bootstrap.servers", kafka.bootstrapServers()),
                        new StringSerializer(),
                        new ByteArraySerializer())) {
            for (String event : events) {
                byte[] bytes = event.strip().getBytes(StandardCharsets.UTF_8);
                // What the readers cannot read would only look like a missing event.
                EventJson.read(bytes, TokenEvent.class);
                producer.send(new ProducerRecord<>("tokens", partition, key, bytes))
                        .get(20, TimeUnit.SECONDS);
            }
        }
    }
}
