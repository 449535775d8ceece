package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.inference.protocol.SimulatedCluster.Faults;
import java.time.Duration;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a new owner reads before it begins, counted: it must not grow with the age of the log.
class WorkerStartTest {

    private static final int STEPS = 400_000;
    private static final int TOKENS = 5;
    private static final Logger PROTOCOL = Logger.getLogger("dev.tokenlog.inference.protocol");

    private final SimulatedCluster cluster =
            new SimulatedCluster(3, 1, 1, new Faults(0, 0, 0, 0, 0, false));

    @BeforeAll
    static void logLittle() {
        PROTOCOL.setLevel(Level.SEVERE);
    }

    @AfterAll
    static void logAgain() {
        PROTOCOL.setLevel(null);
    }

    private void answer(int prompts) {
        for (int i = 0; i < prompts; i++) {
            cluster.send(0, PromptSubmitted.ofText("demo", "x").maxTokens(TOKENS).build());
        }
        cluster.run(STEPS);
        assertThat(cluster.verdict()).as(cluster::describe).isEmpty();
    }

    /// The one that takes the place of the only worker, once it has answered another prompt.
    private SimulatedWorker successor() {
        cluster.kill(cluster.workers.getFirst());
        answer(1);
        return cluster.workers.getFirst();
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 400})
    void readsNoTokensOfGenerationsThatWereCommitted(int generations) {
        answer(generations);
        int all = cluster.partitions.getFirst().tokens.size();
        SimulatedWorker successor = successor();
        int own = cluster.partitions.getFirst().tokens.size() - all;
        assertThat(all).isGreaterThanOrEqualTo(generations * 3);
        // At most the last generation again, whose end the dead one may not have seen committed.
        assertThat(successor.eventsRead).isBetween(own, own + TOKENS + 2);
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 400})
    void looksUpThePromptsOfOneDedupeWindow(int recent) {
        answer(300);
        cluster.passes(2 * SimulatedWorker.WINDOW.toMillis());
        answer(recent);
        cluster.passes(Duration.ofMinutes(1).toMillis());
        assertThat(successor().pastPromptsRead).isBetween(recent, recent + 1);
    }
}
