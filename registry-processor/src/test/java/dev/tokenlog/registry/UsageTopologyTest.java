package dev.tokenlog.registry;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.Usage;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class UsageTopologyTest {

    private static final Instant MINUTE = Instant.parse("2026-03-01T10:20:00Z");

    private TopologyTestDriver driver;
    private TestInputTopic<byte[], byte[]> prompts;
    private TestInputTopic<byte[], byte[]> tokens;
    private TestOutputTopic<String, byte[]> usage;
    private long promptBytes;

    @BeforeEach
    void open() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "usage-test");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "unused:1");
        driver = new TopologyTestDriver(UsageTopology.build("p."), settings, MINUTE);
        prompts =
                driver.createInputTopic(
                        Topic.PROMPTS.name("p."),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
        tokens =
                driver.createInputTopic(
                        Topic.TOKENS.name("p."),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
        usage =
                driver.createOutputTopic(
                        Topic.USAGE.name("p."),
                        new StringDeserializer(),
                        new ByteArrayDeserializer());
    }

    @AfterEach
    void close() {
        driver.close();
    }

    private void send(TestInputTopic<byte[], byte[]> topic, Event event, long atSecond) {
        RecordHeaders headers = new RecordHeaders();
        EventHeaders.describe(event, headers);
        topic.pipeInput(
                new TestRecord<>(
                        null, EventJson.write(event), headers, MINUTE.plusSeconds(atSecond)));
    }

    private void prompt(String id, int maxTokens, long atSecond) {
        PromptSubmitted prompt =
                PromptSubmitted.ofText("demo", "x").generationId(id).maxTokens(maxTokens).build();
        promptBytes = EventJson.write(prompt).length;
        send(prompts, prompt, atSecond);
    }

    private void started(String id, long atSecond) {
        send(
                tokens,
                new GenerationStarted(
                        id, 1, "demo", "sha256-a", "n", null, parameters(), 0L, "h", "w"),
                atSecond);
    }

    private static Parameters parameters() {
        return new Parameters(50, null, null, null, null, null, null, null, null, null, null, null);
    }

    private void finished(
            String id, int attempt, int completion, long firstMs, long totalMs, long at) {
        send(
                tokens,
                new GenerationFinished(
                        id,
                        0L,
                        attempt,
                        "stop",
                        null,
                        new TokenUsage(5, completion),
                        "h",
                        new Timings(1L, 1L, firstMs, totalMs, null, null, null, null, null)),
                at);
    }

    /// What stands on the topic in the end, by key.
    private Map<String, Usage> told() {
        driver.advanceWallClockTime(UsageWindows.TELL_INTERVAL);
        Map<String, Usage> told = new LinkedHashMap<>();
        for (KeyValue<String, byte[]> record : usage.readKeyValuesToList()) {
            try {
                told.put(record.key, EventJson.read(record.value, Usage.class));
            } catch (UnreadableEventException e) {
                throw new AssertionError(e);
            }
        }
        return told;
    }

    private static String window(long minutes) {
        return "demo@" + MINUTE.plusSeconds(60 * minutes).toEpochMilli();
    }

    @Test
    void aGenerationIsCountedInTheMinuteOfItsEnd() {
        prompt("g", 50, 1);
        started("g", 2);
        finished("g", 1, 20, 40, 900, 61);
        Map<String, Usage> told = told();
        assertThat(told.keySet()).containsExactlyInAnyOrder(window(0), window(1));
        Usage first = told.get(window(0));
        assertThat(first.generations()).isZero();
        assertThat(first.debtTokens()).isEqualTo(50 + promptBytes / 3);
        assertThat(first.firstTokenMsP50()).isNull();
        Usage second = told.get(window(1));
        assertThat(second.windowStart()).isEqualTo(MINUTE.plusSeconds(60).toEpochMilli());
        assertThat(second.windowMs()).isEqualTo(60_000);
        assertThat(second.generations()).isEqualTo(1);
        assertThat(second.promptTokens()).isEqualTo(5);
        assertThat(second.completionTokens()).isEqualTo(20);
        assertThat(second.debtTokens()).isZero();
        assertThat((double) second.firstTokenMsP50()).isBetween(39.0, 41.0);
        assertThat((double) second.totalMsP99()).isBetween(880.0, 920.0);
    }

    @Test
    void quantilesAreRightToTwoPercent() {
        for (int i = 1; i <= 1000; i++) {
            prompt("g" + i, 50, 1);
            started("g" + i, 1);
            finished("g" + i, 1, 1, i, 10L * i, 2);
        }
        Usage minute = told().get(window(0));
        assertThat(minute.generations()).isEqualTo(1000);
        assertThat((double) minute.firstTokenMsP50()).isBetween(490.0, 510.0);
        assertThat((double) minute.firstTokenMsP99()).isBetween(970.0, 1010.0);
        assertThat((double) minute.totalMsP50()).isBetween(4_900.0, 5_100.0);
        assertThat((double) minute.totalMsP99()).isBetween(9_700.0, 10_100.0);
    }

    @Test
    void repeatedPromptsZombiesAndRepeatedEndsCountOnce() {
        prompt("g", 50, 1);
        prompt("g", 50, 2);
        started("g", 3);
        started("g", 3);
        send(tokens, new GenerationResumed("g", 0L, 2, "w2", "n"), 4);
        finished("g", 1, 7, 1, 1, 5);
        finished("g", 2, 20, 40, 900, 6);
        finished("g", 2, 20, 40, 900, 7);
        prompt("g", 50, 8);
        Usage minute = told().get(window(0));
        assertThat(minute.generations()).isEqualTo(1);
        assertThat(minute.completionTokens()).isEqualTo(20);
        assertThat(minute.debtTokens()).isZero();
    }

    @Test
    void tokensMayBeReadBeforeTheirPrompt() {
        started("g", 2);
        send(
                tokens,
                new GenerationFailed(
                        "g",
                        0L,
                        1,
                        ErrorCode.DEADLINE_PASSED,
                        "late",
                        new TokenUsage(0, 0),
                        "h",
                        null),
                3);
        prompt("g", 50, 1);
        Usage minute = told().get(window(0));
        assertThat(minute.generations()).isEqualTo(1);
        assertThat(minute.totalMsP50()).isNull();
        assertThat(minute.debtTokens()).isZero();
    }

    @Test
    void whatIsOwedIsToldEveryMinuteUntilItIsGivenUp() {
        prompt("g", 50, 1);
        told();
        driver.advanceWallClockTime(Duration.ofMinutes(3));
        Map<String, Usage> told = told();
        assertThat(told.get(window(3)).debtTokens()).isEqualTo(50 + promptBytes / 3);
        driver.advanceWallClockTime(UsageFacts.GIVEN_UP);
        driver.advanceWallClockTime(Duration.ofMinutes(2));
        assertThat(told().values()).last().extracting(Usage::debtTokens).isEqualTo(0L);
    }

    @Test
    void whatSaysNothingNewIsNotTold() {
        prompt("g", 50, 1);
        started("g", 2);
        finished("g", 1, 20, 40, 900, 3);
        assertThat(told()).hasSize(1);
        assertThat(told()).isEmpty();
    }

    @Test
    void whatCannotBeReadIsPassedOver() {
        prompts.pipeInput(
                new TestRecord<>(null, "no json".getBytes(StandardCharsets.UTF_8), MINUTE));
        prompts.pipeInput(new TestRecord<>(new byte[] {1}, null, MINUTE));
        tokens.pipeInput(
                new TestRecord<>(
                        null,
                        "{\"type\":\"SomethingNew\"}".getBytes(StandardCharsets.UTF_8),
                        MINUTE));
        send(tokens, new TokensGenerated("g", 0L, 1, 0, List.of(1), "a", null, 5, "h"), 1);
        assertThat(told()).isEmpty();
    }
}
