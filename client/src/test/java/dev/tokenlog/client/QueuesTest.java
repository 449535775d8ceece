package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.WorkerState;
import dev.tokenlog.contracts.WorkerState.Waiting;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Whose word about a queue counts.
class QueuesTest {

    private static final Instant NOW = Instant.ofEpochSecond(1_000_000);

    private static LogEvent<WorkerState> snapshot(
            String worker, long offset, int secondsAgo, List<Integer> partitions, String... ids) {
        WorkerState state =
                new WorkerState(
                        worker,
                        "inference",
                        null,
                        0,
                        null,
                        null,
                        null,
                        null,
                        null,
                        partitions,
                        null,
                        null,
                        null,
                        null,
                        Arrays.stream(ids)
                                .map(id -> new Waiting(id, "demo", (int) offset, 0, null))
                                .toList(),
                        null);
        Instant at = NOW.minusSeconds(secondsAgo);
        return new LogEvent<>(Topic.WORKER_EVENTS, 0, offset, at, worker, state);
    }

    private static List<Integer> positions(List<LogEvent<WorkerState>> snapshots) {
        return Queues.place(snapshots, "g").map(Waiting::position).stream().toList();
    }

    @Test
    void theWorkerWhereItWaitsIsBelieved() {
        assertThat(
                        positions(
                                List.of(
                                        snapshot("w1", 5, 1, List.of(0, 1), "f", "g"),
                                        snapshot("w2", 6, 0, List.of(2)))))
                .containsExactly(5);
    }

    @Test
    void oneThatDiedIsNotBelievedWhoeverHasItsPartitionsNow() {
        LogEvent<WorkerState> dead = snapshot("a", 5, 10, List.of(0, 1), "g");
        // It runs there, or waits elsewhere by now.
        assertThat(positions(List.of(dead, snapshot("b", 6, 1, List.of(1, 2))))).isEmpty();
        assertThat(positions(List.of(dead, snapshot("b", 6, 1, List.of(1, 2), "g"))))
                .containsExactly(6);
        assertThat(positions(List.of(dead, snapshot("b", 6, 1, List.of(2))))).containsExactly(5);
    }

    @Test
    void oneThatHasSaidNothingForLongIsNotBelieved() {
        LogEvent<WorkerState> old = snapshot("a", 5, 3_631, List.of(0), "g");
        assertThat(positions(List.of(old, snapshot("b", 6, 3_600, List.of(1))))).isEmpty();
        // How long ago that was nobody can say whose clock is another.
        assertThat(positions(List.of(old, snapshot("b", 6, 3_602, List.of(1))))).containsExactly(5);
    }
}
