package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.inference.protocol.SimulatedCluster.Faults;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Thousands of random interleavings of kills, zombies, moves, lost sends, cancels and repeated
/// prompts, each judged from outside by [StreamJudge].
class WorkerSimulationTest {

    private static final int STEPS = 60_000;
    private static final Logger PROTOCOL = Logger.getLogger("dev.tokenlog.inference.protocol");

    @BeforeAll
    static void logLittle() {
        // Held here: a logger that nobody holds may be forgotten, and its level with it.
        PROTOCOL.setLevel(Level.SEVERE);
    }

    @AfterAll
    static void logAgain() {
        PROTOCOL.setLevel(null);
    }

    private static PromptSubmitted prompt(String id, int maxTokens, long seed) {
        return PromptEvent.PromptSubmitted.ofText("demo", "Say something")
                .generationId(id)
                .maxTokens(maxTokens)
                .seed(new UnsignedSeed(seed))
                .build();
    }

    private int unlucky;

    /// One schedule in some thousand makes a poison of an innocent prompt; more would be a fault
    /// that the rule hides.
    @AfterEach
    void fewAreUnlucky() {
        assertThat(unlucky).isLessThanOrEqualTo(2);
    }

    private void judge(long seed, SimulatedCluster cluster) {
        cluster.run(STEPS);
        List<String> found = cluster.verdict();
        unlucky += cluster.unlucky;
        assertThat(found)
                .as(() ->
                        "seed "
                                + seed
                                + " after "
                                + cluster.deaths
                                + " deaths"
                                + cluster.describe())
                .isEmpty();
    }

    @Test
    void everyGenerationSurvivesKillsZombiesMovesAndLostSends() {
        for (long seed = 1; seed <= 400; seed++) {
            SimulatedCluster cluster =
                    new SimulatedCluster(seed, 2, 3, new Faults(3, 3, 3, 6, 0, seed % 2 == 0));
            cluster.staleRecords = seed % 3 == 0;
            for (int i = 0; i < 8; i++) {
                cluster.send(i % 2, prompt(i % 3 == 0 ? null : "g" + i, 4 + i, seed * 100 + i));
            }
            judge(seed, cluster);
        }
    }

    @Test
    void theSamePromptTwiceIsOneGenerationWhoeverReadsIt() {
        for (long seed = 1; seed <= 300; seed++) {
            SimulatedCluster cluster =
                    new SimulatedCluster(seed, 1, 3, new Faults(3, 3, 3, 3, 0, seed % 2 == 0));
            for (int i = 0; i < 4; i++) {
                cluster.send(0, prompt("g" + i, 5, i));
                cluster.send(0, prompt("g" + i / 2, 5, i / 2));
            }
            cluster.run(400 + (int) seed);
            cluster.problems.clear();
            cluster.passes(SimulatedWorker.WINDOW.toMillis() / 2);
            cluster.send(0, prompt("g0", 5, 0));
            cluster.send(0, prompt("g3", 5, 99));
            judge(seed, cluster);
            assertThat(cluster.streams(0)).as("seed %d", seed).hasSize(4);
        }
    }

    @Test
    void cancelledGenerationsEndOnceAtAnyMoment() {
        for (long seed = 1; seed <= 300; seed++) {
            SimulatedCluster cluster =
                    new SimulatedCluster(seed, 2, 2, new Faults(2, 2, 2, 2, 6, false));
            for (int i = 0; i < 8; i++) {
                cluster.send(i % 2, prompt("g" + i, 8, seed * 100 + i));
            }
            judge(seed, cluster);
        }
    }

    @Test
    void aPoisonIsFoundAndItsNeighboursAreAnswered() {
        for (long seed = 1; seed <= 200; seed++) {
            SimulatedCluster cluster =
                    new SimulatedCluster(seed, 2, 2, new Faults(0, 0, 1, 0, 0, false));
            for (int i = 0; i < 6; i++) {
                cluster.send(i % 2, prompt("g" + i, 6, seed * 100 + i));
            }
            String where = seed % 2 == 0 ? "/prompt" : "/0";
            cluster.poisonous.add("g2" + where);
            cluster.expectedFailures.put("g2", ErrorCode.POISON);
            judge(seed, cluster);
            assertThat(cluster.deadLetters)
                    .as("seed %d", seed)
                    .anyMatch(l -> l.reason() == ErrorCode.POISON && l.offset() == 1);
            assertThat(cluster.streams(0).keySet())
                    .as("seed %d", seed)
                    .anyMatch(k -> k.generationId().equals("g2"));
        }
    }

    @Test
    void whatCannotBeReadOrServedIsRefusedAndThePartitionGoesOn() {
        for (long seed = 1; seed <= 100; seed++) {
            SimulatedCluster cluster =
                    new SimulatedCluster(seed, 1, 2, new Faults(2, 2, 1, 3, 0, false));
            cluster.send(0, "no json".getBytes(StandardCharsets.UTF_8));
            cluster.send(0, (byte[]) null);
            cluster.send(
                    0,
                    "{\"generation_id\":\"shape\",\"model_id\":7}"
                            .getBytes(StandardCharsets.UTF_8));
            cluster.send(0, "{\"model_id\":\"demo\"}".getBytes(StandardCharsets.UTF_8));
            cluster.send(0, PromptSubmitted.ofText("other", "x").generationId("unknown").build());
            cluster.send(0, PromptSubmitted.ofText("demo", "x").generationId("3-4").build());
            cluster.send(
                    0,
                    PromptSubmitted.ofText("demo", "x")
                            .generationId("hot")
                            .temperature(3.0)
                            .build());
            cluster.send(0, prompt("good", 6, seed));
            cluster.expectedFailures.put("shape", ErrorCode.INVALID_SHAPE);
            cluster.expectedFailures.put("0-3", ErrorCode.INVALID_SHAPE);
            cluster.expectedFailures.put("unknown", ErrorCode.MODEL_UNKNOWN);
            cluster.expectedFailures.put("0-5", ErrorCode.INVALID_ID);
            cluster.expectedFailures.put("hot", ErrorCode.PARAMETER_OUT_OF_RANGE);
            judge(seed, cluster);
            assertThat(cluster.streams(0)).hasSize(6);
            assertThat(cluster.deadLetters)
                    .extracting(DeadLetterTopic.Letter::offset)
                    .contains(0L, 1L, 2L, 3L, 5L)
                    .doesNotContain(4L, 6L, 7L);
        }
    }
}
