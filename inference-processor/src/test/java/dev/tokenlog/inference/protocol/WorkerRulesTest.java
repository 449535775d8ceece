package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.inference.protocol.SimulatedCluster.Appended;
import dev.tokenlog.inference.protocol.SimulatedCluster.Faults;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Single rules of `docs/events.md`, each in the smallest world that shows it.
class WorkerRulesTest {

    private static final int STEPS = 20_000;
    private static final long SEED = 77;
    private static final int MAX_TOKENS = 9;
    private static final Logger PROTOCOL = Logger.getLogger("dev.tokenlog.inference.protocol");

    private final SimulatedCluster cluster = quiet(1);

    @BeforeAll
    static void logLittle() {
        PROTOCOL.setLevel(Level.SEVERE);
    }

    @AfterAll
    static void logAgain() {
        PROTOCOL.setLevel(null);
    }

    private static SimulatedCluster quiet(long seed) {
        return new SimulatedCluster(seed, 1, 1, new Faults(0, 0, 0, 0, 0, false));
    }

    private static PromptSubmitted prompt(String id, Long deadlineMs) {
        return PromptSubmitted.ofText("demo", "x")
                .generationId(id)
                .seed(new UnsignedSeed(SEED))
                .maxTokens(MAX_TOKENS)
                .deadlineMs(deadlineMs)
                .build();
    }

    private StreamJudge.Stream stream(String id) {
        return cluster.streams(0).entrySet().stream()
                .filter(e -> e.getKey().generationId().equals(id))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElseThrow();
    }

    private void fails(String id, ErrorCode code) {
        cluster.expectedFailures.put(id, code);
        cluster.run(STEPS);
        assertThat(cluster.verdict()).as(cluster::describe).isEmpty();
        assertThat(stream(id).end)
                .isInstanceOfSatisfying(
                        GenerationFailed.class, f -> assertThat(f.code()).isEqualTo(code));
    }

    /// What a worker that has died since left of the generation of prompt 0.
    private void left(String id, int tokens, String promptHash, int maxTokens) {
        left(
                id,
                tokens,
                promptHash,
                new Parameters(
                        maxTokens, 0.0, 0, 1.0, 0.0, 1.0, 0.0, 0.0, List.of(), null, null, 0));
    }

    private void left(String id, int tokens, String promptHash, Parameters parameters) {
        cluster.append(
                0,
                new GenerationStarted(
                        id,
                        1,
                        "demo",
                        "sha256-older",
                        "sim-0",
                        new UnsignedSeed(SEED),
                        parameters,
                        0L,
                        "hash",
                        "dead"));
        int[] ids = new int[0];
        for (int i = 0; i < tokens; i++) {
            ids = Arrays.copyOf(ids, i + 1);
            ids[i] = SimulatedModel.next("sim-0", SEED, ids, i);
            cluster.append(
                    0,
                    new TokensGenerated(
                            id,
                            0L,
                            1,
                            i,
                            List.of(ids[i]),
                            " " + ids[i],
                            null,
                            i == 0 ? 5 : null,
                            i == 0 ? promptHash : null));
        }
    }

    @Test
    void goesOnWhereTheLogEndsUnderTheDigestItBeganWith() {
        cluster.send(0, prompt("g", null));
        left("g", 2, TokenHash.of((int) SEED), MAX_TOKENS);
        cluster.run(STEPS);
        assertThat(cluster.verdict()).as(cluster::describe).isEmpty();
        assertThat(stream("g").attempt).isEqualTo(2);
        assertThat(cluster.digests).containsExactly("sha256-older");
    }

    /// Only `generation_id`, `attempt` and `prompt_offset` of a start are required.
    @Test
    void aStartWithoutAnyParameterDoesNotEndTheWorker() {
        cluster.send(0, prompt("g", null));
        left(
                "g",
                1,
                TokenHash.of((int) SEED),
                new Parameters(
                        null, null, null, null, null, null, null, null, null, null, null, null));
        cluster.run(STEPS);
        assertThat(stream("g").end).isInstanceOf(GenerationFinished.class);
    }

    @Test
    void onlyEndsWhatIsAlreadyComplete() {
        cluster.send(0, prompt("g", null));
        left("g", 3, TokenHash.of((int) SEED), 3);
        cluster.run(STEPS);
        assertThat(cluster.verdict()).as(cluster::describe).isEmpty();
        assertThat(stream("g").end).isInstanceOf(GenerationFinished.class);
        assertThat(stream("g").tokens).hasSize(3);
    }

    @Test
    void aPromptThatBecameOtherIdsFails() {
        cluster.send(0, prompt("g", null));
        left("g", 2, TokenHash.of(1, 2, 3), MAX_TOKENS);
        fails("g", ErrorCode.PROMPT_DIFFERS);
    }

    @Test
    void aPromptOlderThanMaxAgeFails() {
        cluster.send(0, prompt("g", null));
        cluster.passes(Duration.ofHours(25).toMillis());
        fails("g", ErrorCode.EXPIRED);
    }

    @Test
    void aPromptWhoseDeadlineHasPassedFails() {
        cluster.send(0, prompt("g", 5L));
        cluster.passes(10);
        fails("g", ErrorCode.DEADLINE_PASSED);
        assertThat(cluster.digests).as("models asked for").isEmpty();
    }

    @Test
    void aRecordThatIsTooLargeFailsTheGenerationWithTheTokensBefore() {
        cluster.tooLargeFrom = 2;
        cluster.send(0, prompt("g", null));
        fails("g", ErrorCode.RECORD_TOO_LARGE);
        assertThat(stream("g").tokens).hasSizeLessThanOrEqualTo(2);
    }

    @Test
    void aGapInTheLogIsReportedOnce() {
        for (int i = 0; i < 4; i++) {
            cluster.send(0, prompt("g" + i, null));
        }
        cluster.partitions.getFirst().start = 2;
        cluster.run(STEPS);
        cluster.kill(cluster.workers.getFirst());
        cluster.send(0, prompt("g4", null));
        cluster.run(STEPS);
        assertThat(cluster.deadLetters)
                .singleElement()
                .satisfies(letter -> {
                    assertThat(letter.reason()).isEqualTo(ErrorCode.LOG_GAP);
                    assertThat(letter.offset()).isZero();
                    assertThat(letter.message()).contains("prompts 0 to 1");
                });
        assertThat(cluster.streams(0).keySet())
                .extracting(GenerationKey::generationId)
                .containsExactlyInAnyOrder("g2", "g3", "g4");
    }

    /// A generation that had begun, one that had ended, and one whose prompt is younger than what
    /// is left of the log.
    @Test
    void tokensThatWereDeletedBeforeTheEndFailTheirGenerationAndNoOther() {
        cluster.send(0, prompt("ended", null));
        cluster.run(STEPS);
        cluster.send(0, prompt("begun", null));
        SimulatedCluster.PartitionLogs logs = cluster.partitions.getFirst();
        while (!(logs.tokens.getLast().event() instanceof TokensGenerated tokens
                && tokens.generationId().equals("begun"))) {
            cluster.steps(1);
        }
        cluster.kill(cluster.workers.getFirst());
        logs.tokensStart = logs.tokens.size();
        cluster.passes(Duration.ofMinutes(10).toMillis());
        cluster.run(STEPS);
        cluster.send(0, prompt("later", null));
        cluster.run(STEPS);
        assertThat(cluster.problems).isEmpty();
        Map<String, TokenEvent> ends = new TreeMap<>();
        for (Appended appended : logs.tokens.subList(logs.tokensStart, logs.tokens.size())) {
            if (appended.event() instanceof TokenEvent.Terminal end) {
                assertThat(ends.put(end.generationId(), end)).isNull();
            }
        }
        assertThat(ends.keySet()).containsExactly("begun", "later");
        assertThat(ends.get("begun"))
                .isInstanceOfSatisfying(
                        GenerationFailed.class,
                        f -> assertThat(f.code()).isEqualTo(ErrorCode.LOG_GAP));
        assertThat(ends.get("later")).isInstanceOf(GenerationFinished.class);
        assertThat(cluster.deadLetters)
                .extracting(DeadLetterTopic.Letter::reason)
                .containsExactly(ErrorCode.LOG_GAP);
    }

    /// What was there before the worker read has failed, what came then has not, whatever the
    /// worker takes for the time.
    @ParameterizedTest
    @ValueSource(longs = {-3_600_000, 0, 3_600_000})
    void whatWasDeletedIsNotJudgedByTheWorkersClock(long clockError) {
        cluster.clockError = clockError;
        SimulatedCluster.PartitionLogs logs = cluster.partitions.getFirst();
        cluster.send(0, prompt("begun", null));
        while (logs.tokens.isEmpty()) {
            cluster.steps(1);
        }
        cluster.kill(cluster.workers.getFirst());
        logs.tokensStart = logs.tokens.size();
        cluster.run(STEPS);
        cluster.send(0, prompt("later", null));
        cluster.run(STEPS);
        assertThat(cluster.problems).isEmpty();
        assertThat(endsSince(logs.tokensStart))
                .containsExactly(
                        Map.entry("begun", ErrorCode.LOG_GAP.name()),
                        Map.entry("later", "GenerationFinished"));
    }

    /// A platform that stood still until tokens, prompts and offsets were gone: of a prompt that
    /// came since, nothing is missing. Only its sender can know that.
    @Test
    void aPromptThatNotesWhereItsTokensBeginIsNotMissedInWhatStoodBefore() {
        cluster.send(0, prompt("before", null));
        cluster.run(STEPS);
        cluster.kill(cluster.workers.getFirst());
        SimulatedCluster.PartitionLogs logs = cluster.partitions.getFirst();
        logs.tokensStart = logs.tokens.size();
        logs.start = logs.prompts.size();
        logs.committed = null;
        cluster.sendNoted(0, prompt("noted", null));
        cluster.sendNoted(0, prompt("beyond", null), logs.tokens.size() + 1);
        cluster.send(0, prompt("typed", null));
        cluster.passes(Duration.ofMinutes(10).toMillis());
        cluster.run(STEPS);
        assertThat(endsSince(logs.tokensStart))
                .containsOnly(
                        Map.entry("noted", "GenerationFinished"),
                        Map.entry("beyond", ErrorCode.LOG_GAP.name()),
                        Map.entry("typed", ErrorCode.LOG_GAP.name()));
    }

    private Map<String, String> endsSince(int offset) {
        List<Appended> tokens = cluster.partitions.getFirst().tokens;
        Map<String, String> ends = new LinkedHashMap<>();
        for (Appended appended : tokens.subList(offset, tokens.size())) {
            if (appended.event() instanceof TokenEvent.Terminal end) {
                String kind = end instanceof GenerationFailed f ? f.code().name() : end.type();
                assertThat(ends.put(end.generationId(), kind)).isNull();
            }
        }
        return ends;
    }

    /// All had ended when retention took the tokens: what comes while nobody owns the partition has
    /// not begun anywhere.
    @Test
    void tokensThatRetentionDeletedAfterTheEndAreMissedByNobody() {
        cluster.send(0, prompt("before", null));
        cluster.run(STEPS);
        SimulatedCluster.PartitionLogs logs = cluster.partitions.getFirst();
        cluster.kill(cluster.workers.getFirst());
        logs.tokensStart = logs.tokens.size();
        cluster.send(0, prompt("after", null));
        cluster.passes(Duration.ofMinutes(10).toMillis());
        cluster.run(STEPS);
        assertThat(cluster.problems).isEmpty();
        assertThat(cluster.deadLetters).isEmpty();
        assertThat(logs.tokens.getLast().event()).isInstanceOf(GenerationFinished.class);
    }

    /// The group wants a partition back, and then the process ends.
    @Test
    void whoAsksForAPartitionThatIsBeingHandedOverIsToldWithTheFirst() {
        cluster.send(0, prompt("g", null));
        while (cluster.partitions.getFirst().tokens.isEmpty()) {
            cluster.steps(1);
        }
        SimulatedWorker worker = cluster.workers.getFirst();
        List<Map<Integer, PromptTopic.Commit>> told = new ArrayList<>();
        worker.handsOver(0, told::add);
        worker.handsOver(0, told::add);
        assertThat(told).isEmpty();
        for (int step = 0; step < STEPS && told.size() < 2; step++) {
            cluster.steps(1);
        }
        assertThat(told)
                .hasSize(2)
                .allSatisfy(commits -> assertThat(commits.get(0).offset()).isZero());
    }

    @Test
    void aPlannedHandOverLeavesNoSilentAttempt() {
        for (long seed = 1; seed <= 60; seed++) {
            SimulatedCluster moving =
                    new SimulatedCluster(seed, 1, 2, new Faults(0, 6, 0, 0, 0, false));
            for (int i = 0; i < 4; i++) {
                moving.send(0, prompt("g" + i, null));
            }
            moving.run(STEPS);
            assertThat(moving.verdict()).as("seed %d", seed).isEmpty();
            Map<String, List<Integer>> silent = new TreeMap<>();
            for (Appended appended : moving.partitions.getFirst().tokens) {
                TokenEvent event = appended.event();
                String name = event.generationId();
                if (event instanceof TokenEvent.Claim) {
                    silent.computeIfAbsent(name, _ -> new ArrayList<>()).add(event.attempt());
                } else {
                    silent.get(name).remove(event.attempt());
                }
            }
            assertThat(silent.values()).as("seed %d", seed).allMatch(List::isEmpty);
        }
    }
}
