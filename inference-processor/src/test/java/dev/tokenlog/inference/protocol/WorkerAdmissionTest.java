package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.inference.protocol.SimulatedCluster.Appended;
import dev.tokenlog.inference.protocol.SimulatedCluster.Faults;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Who begins when, and who does not, on a worker that runs four generations at once.
class WorkerAdmissionTest {

    private static final int RUNNING = 4;
    private static final int STEPS = 400_000;
    private static final Logger PROTOCOL = Logger.getLogger("dev.tokenlog.inference.protocol");

    private final SimulatedCluster cluster =
            new SimulatedCluster(5, 1, 1, new Faults(0, 0, 0, 0, 0, false));

    @BeforeAll
    static void logLittle() {
        PROTOCOL.setLevel(Level.SEVERE);
    }

    @AfterAll
    static void logAgain() {
        PROTOCOL.setLevel(null);
    }

    private void send(String id, String user, int priority, Long deadlineMs) {
        cluster.send(
                0,
                PromptSubmitted.ofText("demo", "x")
                        .generationId(id)
                        .seed(new UnsignedSeed(id.hashCode()))
                        .maxTokens(20)
                        .user(user)
                        .priority(priority)
                        .deadlineMs(deadlineMs)
                        .build());
    }

    private List<String> started() {
        return events(GenerationStarted.class).map(TokenEvent::generationId).toList();
    }

    @Test
    void aUserThatFloodsDoesNotKeepAnotherWaiting() {
        for (int i = 0; i < 40; i++) {
            send("a" + i, "anna", 0, null);
        }
        for (int i = 0; i < 3; i++) {
            send("b" + i, "ben", 0, null);
        }
        cluster.run(STEPS);
        assertThat(cluster.verdict()).isEmpty();
        List<String> order = started();
        assertThat(order).hasSize(43);
        // Those that had begun when they came, then every second turn.
        assertThat(order.indexOf("b2")).as(order::toString).isLessThan(2 * RUNNING + 2 * 3);
    }

    @Test
    void aHigherPriorityGoesFirstAndTheLowestEndsAsWell() {
        send("low", "anna", -10, null);
        for (int i = 0; i < 40; i++) {
            send("p" + i, "anna", 0, null);
        }
        send("high", "anna", 10, null);
        cluster.run(STEPS);
        assertThat(cluster.verdict()).isEmpty();
        assertThat(started().indexOf("high")).isLessThan(2 * RUNNING + 1);
        assertThat(started()).hasSize(42).contains("low");
    }

    /// A flood that nobody wants soon is no reason to refuse somebody whose turn comes soon.
    @Test
    void aFloodWithoutDeadlinesDoesNotGetAnotherUsersPromptRefused() {
        int flood = 80;
        long begin = cluster.now();
        for (int i = 0; i < flood; i++) {
            send("flood" + i, "anna", 0, null);
        }
        // Until it is known how fast this worker is, and all that is left is in its memory.
        while (ended() < 35) {
            cluster.steps(10);
        }
        long soon = 15 * (cluster.now() - begin) / ended();
        send("anna", "anna", 0, soon);
        send("ben", "ben", 0, soon);
        cluster.expectedFailures.put("anna", ErrorCode.OVERLOADED);
        cluster.run(STEPS);
        assertThat(cluster.verdict()).isEmpty();
        assertThat(finished()).contains("ben").doesNotContain("anna").hasSize(flood + 1);
    }

    private int ended() {
        return (int) events(TokenEvent.Terminal.class).count();
    }

    private List<String> finished() {
        return events(GenerationFinished.class).map(TokenEvent::generationId).toList();
    }

    private Stream<TokenEvent> events(Class<? extends TokenEvent> type) {
        return cluster.partitions.getFirst().tokens.stream()
                .map(Appended::event)
                .filter(type::isInstance);
    }

    /// Ten times what the worker can do, for a while: nothing is lost, whoever is not answered is
    /// told so by its deadline, some at once, and most of the work goes into answers.
    @Test
    void underOverloadEveryPromptIsAnsweredOrRefusedByItsDeadline() {
        long deadline = 3_000;
        Map<String, Long> sent = new HashMap<>();
        for (int i = 0; i < 400; i++) {
            send("g" + i, "user" + i % 7, i % 3, deadline);
            sent.put("g" + i, cluster.now());
            cluster.steps(20);
        }
        cluster.expectAnyFailure = true;
        cluster.run(STEPS);
        assertThat(cluster.verdict()).isEmpty();
        Map<String, TokenEvent.Terminal> ends = new HashMap<>();
        Map<ErrorCode, Integer> refused = new HashMap<>();
        List<Long> late = new ArrayList<>();
        int finished = 0;
        for (Appended appended : cluster.partitions.getFirst().tokens) {
            if (appended.event() instanceof TokenEvent.Terminal end) {
                assertThat(ends.put(end.generationId(), end)).isNull();
                long after = appended.time() - sent.get(end.generationId());
                if (after > deadline) {
                    late.add(after - deadline);
                }
                finished += end instanceof GenerationFinished ? 1 : 0;
                if (end instanceof GenerationFailed failed) {
                    refused.merge(failed.code(), 1, Integer::sum);
                }
            }
        }
        assertThat(ends).hasSize(400);
        assertThat(refused.keySet()).containsOnly(ErrorCode.OVERLOADED, ErrorCode.DEADLINE_PASSED);
        assertThat(refused.get(ErrorCode.OVERLOADED))
                .as("%s, %d finished", refused, finished)
                .isGreaterThan(20);
        // One thing happens in a simulated millisecond, and an end takes a few.
        assertThat(late).allMatch(millis -> millis < 1_000);
        assertThat(finished).isGreaterThan(250);
    }
}
