package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.engine.compute.Workspace;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkerTeamTest {

    private final WorkerTeam team = new WorkerTeam(workspaces(3));

    @AfterEach
    void endThreads() {
        team.close();
    }

    @Test
    void everyPartOfEveryTaskRunsOnce() {
        for (int round = 0; round < 5_000; round++) {
            int parts = round % 23;
            AtomicIntegerArray runs = new AtomicIntegerArray(23);
            team.run((part, workspace) -> runs.incrementAndGet(part), parts);
            for (int part = 0; part < 23; part++) {
                assertThat(runs.get(part)).isEqualTo(part < parts ? 1 : 0);
            }
        }
    }

    /// Each part waits until all threads have one.
    @Test
    void allThreadsTakePartEachWithItsOwnWorkspace() {
        CountDownLatch together = new CountDownLatch(3);
        Set<Workspace> used = ConcurrentHashMap.newKeySet();
        team.run(
                (part, workspace) -> {
                    used.add(workspace);
                    together.countDown();
                    await().until(() -> together.getCount() == 0);
                },
                3);
        assertThat(used).hasSize(3);
    }

    /// One part lasts until somebody else has asked for all that may be asked for ahead.
    @Test
    void whoHasNothingToDoAsksForTheBeginningOfItsNextRange() {
        Set<List<Integer>> asked = ConcurrentHashMap.newKeySet();
        team.announce(
                new WorkerTeam.Upcoming() {
                    @Override
                    public int parts() {
                        return 9;
                    }

                    @Override
                    public boolean prefetch(int part, int piece) {
                        asked.add(List.of(part, piece));
                        return piece < 20;
                    }
                });
        team.run(
                (part, workspace) -> {
                    if (part == 0) {
                        await().until(() -> asked.stream().anyMatch(a -> a.getLast() == 20));
                    }
                },
                2);
        assertThat(asked).allMatch(a -> a.getFirst() % 3 == 0 && a.getLast() <= 20);
    }

    @Test
    void aFailureIsThrownAfterTheOtherPartsHaveRun() {
        AtomicIntegerArray runs = new AtomicIntegerArray(50);
        assertThatThrownBy(() ->
                        team.run(
                                (part, workspace) -> {
                                    runs.incrementAndGet(part);
                                    if (part == 7) {
                                        throw new IllegalStateException("part 7");
                                    }
                                },
                                50))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("part 7");
        for (int part = 0; part < 50; part++) {
            assertThat(runs.get(part)).isEqualTo(1);
        }
        team.run((part, workspace) -> runs.incrementAndGet(part), 50);
        assertThat(runs.get(7)).isEqualTo(2);
    }

    @Test
    void idleWorkersPark() {
        team.run((part, workspace) -> {}, 9);
        await().atMost(Duration.ofSeconds(20))
                .untilAsserted(() ->
                        assertThat(workers())
                                .hasSize(2)
                                .allMatch(t -> t.getState() == Thread.State.WAITING));
    }

    @Test
    void closeEndsTheThreads() {
        team.close();
        assertThat(workers()).isEmpty();
    }

    private static Stream<Thread> workers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("tokenlog-compute-"));
    }

    private static List<Workspace> workspaces(int count) {
        return Stream.generate(() -> new Workspace(1, 1, 1)).limit(count).toList();
    }
}
