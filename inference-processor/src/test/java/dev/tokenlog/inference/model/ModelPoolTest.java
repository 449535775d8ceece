package dev.tokenlog.inference.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.WorkerEvent.EvictionReason;
import dev.tokenlog.contracts.WorkerEvent.LoadReason;
import dev.tokenlog.contracts.WorkerEvent.ModelEvent;
import dev.tokenlog.contracts.WorkerEvent.ModelEvicted;
import dev.tokenlog.contracts.WorkerEvent.ModelLoadFailed;
import dev.tokenlog.contracts.WorkerEvent.ModelLoaded;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.inference.model.FakeModels.FakeModel;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The models of a worker within a budget. Loads and closes wait in a list until the test runs
/// them, in the order of its choice.
class ModelPoolTest {

    private static final long BUDGET = 100;

    private final FakeModels models =
            new FakeModels()
                    .with("a", 40)
                    .with("b", 40)
                    .with("c", 50)
                    .with("whole", 100)
                    .with("giant", 101);
    private final List<Runnable> tasks = new ArrayList<>();
    private final List<ModelEvent> events = new ArrayList<>();
    private final Set<String> notServed = new HashSet<>();
    private final ModelPool pool =
            new ModelPool(
                    models,
                    tasks::add,
                    new ModelPool.Settings(
                            "w", BUDGET, digest -> !notServed.contains(digest), events::add));

    private CompletableFuture<ModelLease> ask(String digest) {
        return pool.lease("model-" + digest, digest, null);
    }

    private void runTasks() {
        while (!tasks.isEmpty()) {
            tasks.removeFirst().run();
        }
    }

    private ModelLease lease(String digest) {
        CompletableFuture<ModelLease> lease = ask(digest);
        runTasks();
        return lease.resultNow();
    }

    private List<String> loaded() {
        return pool.loaded().stream().map(ModelPool.Entry::modelDigest).toList();
    }

    private <E extends ModelEvent> List<E> events(Class<E> type) {
        return events.stream().filter(type::isInstance).map(type::cast).toList();
    }

    @Test
    void whatIsAskedForAtTheSameTimeIsLoadedOnce() {
        CompletableFuture<ModelLease> first = ask("a");
        CompletableFuture<ModelLease> second = ask("a");
        runTasks();

        assertThat(first.resultNow().model()).isSameAs(second.resultNow().model());
        assertThat(models.loads()).isEqualTo(1);
        assertThat(pool.loaded().getFirst().generations()).isEqualTo(2);
        assertThat(events(ModelLoaded.class))
                .singleElement()
                .satisfies(e -> {
                    assertThat(e.modelId()).isEqualTo("model-a");
                    assertThat(e.bytes()).isEqualTo(40);
                    assertThat(e.loadedBytes()).isEqualTo(40);
                    assertThat(e.budgetBytes()).isEqualTo(BUDGET);
                    assertThat(e.reason()).isEqualTo(LoadReason.PROMPT);
                });
    }

    @Test
    void theLeastRecentlyUsedMakesRoom() {
        lease("a").close();
        lease("b").close();
        lease("a").close();

        lease("c").close();

        assertThat(loaded()).containsExactly("a", "c");
        assertThat(events(ModelEvicted.class))
                .singleElement()
                .satisfies(e -> {
                    assertThat(e.modelDigest()).isEqualTo("b");
                    assertThat(e.reason()).isEqualTo(EvictionReason.ROOM);
                    assertThat(e.generations()).isEqualTo(1);
                    assertThat(e.loadedBytes()).isEqualTo(40);
                });
    }

    @Test
    void oneThatIsNotServedAnyMoreMakesRoomFirst() {
        lease("a").close();
        lease("b").close();
        notServed.add("b");

        lease("c").close();

        assertThat(loaded()).containsExactly("a", "c");
        assertThat(events(ModelEvicted.class).getFirst().reason())
                .isEqualTo(EvictionReason.NOT_SERVED);
    }

    @Test
    void oneThatIsUsedStaysAndTheRequestWaitsForItsEnd() {
        ModelLease a = lease("a");
        ModelLease b = lease("b");
        CompletableFuture<ModelLease> whole = ask("whole");
        runTasks();
        assertThat(whole).isNotDone();
        ((FakeModel) a.model()).use();

        a.close();
        runTasks();
        assertThat(whole).isNotDone();
        assertThat(loaded()).containsExactly("b");

        b.close();
        runTasks();
        assertThat(whole.resultNow().model()).isNotNull();
        assertThat(models.mostTaken()).isEqualTo(BUDGET);
    }

    /// Otherwise prompts for one model, each begun before the last has ended, would keep another
    /// model out for ever.
    @Test
    void newPromptsForAModelThatIsToMakeRoomWaitBehindTheOtherOne() {
        ModelLease running = lease("whole");
        CompletableFuture<ModelLease> other = ask("a");
        runTasks();
        CompletableFuture<ModelLease> again = ask("whole");
        assertThat(other).isNotDone();
        assertThat(again).isNotDone();

        running.close();
        runTasks();
        assertThat(other).isDone();
        assertThat(again).isNotDone();

        other.resultNow().close();
        runTasks();
        assertThat(again).isDone();
    }

    @Test
    void aModelThatIsHereDoesNotWaitBehindOneThatNeedsRoom() {
        ModelLease a = lease("a");
        ModelLease c = lease("c");
        CompletableFuture<ModelLease> b = ask("b");
        runTasks();

        // `a` was used least recently and is to make room; `c` stays.
        assertThat(ask("c")).isCompleted();
        assertThat(b).isNotDone();
        a.close();
        runTasks();
        assertThat(b).isDone();
        c.close();
    }

    @Test
    void aLoadCountsBeforeItHasFinished() {
        CompletableFuture<ModelLease> c = ask("c");
        tasks.removeFirst().run();
        assertThat(tasks).as("the load of c").hasSize(1);
        CompletableFuture<ModelLease> whole = ask("whole");
        tasks.removeLast().run();
        assertThat(tasks).as("no load of the other beside it").hasSize(1);

        runTasks();
        c.resultNow().close();
        runTasks();
        assertThat(whole).isDone();
        assertThat(models.mostTaken()).isEqualTo(BUDGET);
    }

    @Test
    void aModelLargerThanTheBudgetIsRefusedWithBothFigures() {
        CompletableFuture<ModelLease> giant = ask("giant");
        runTasks();

        assertThat(giant.exceptionNow())
                .isInstanceOf(ModelTooLargeException.class)
                .hasMessageContaining("model-giant takes 101 bytes, this worker may load 100")
                .hasMessageContaining(ModelMemory.KEY);
        assertThat(EngineFailures.refusal(giant.exceptionNow()).code())
                .isEqualTo(ErrorCode.MODEL_TOO_LARGE);
        assertThat(events(ModelLoadFailed.class).getFirst().code())
                .isEqualTo(ErrorCode.MODEL_TOO_LARGE);
        assertThat(models.loads()).isZero();
    }

    @Test
    void aPinnedModelIsLoadedUnaskedAndStays() {
        pool.pin(Set.of(new ModelPool.Pin("model-c", "c", null)));
        runTasks();
        assertThat(loaded()).containsExactly("c");
        assertThat(pool.loaded().getFirst().pinned()).isTrue();
        assertThat(events(ModelLoaded.class).getFirst().reason()).isEqualTo(LoadReason.PINNED);

        lease("a").close();
        lease("b").close();
        assertThat(loaded()).containsExactly("c", "b");
        CompletableFuture<ModelLease> whole = ask("whole");
        runTasks();
        assertThat(whole.exceptionNow())
                .hasMessageContaining("takes 100 bytes, this worker may load 100")
                .hasMessageContaining("of which pinned models take 50");

        pool.pin(Set.of());
        lease("whole").close();
        assertThat(loaded()).containsExactly("whole");
    }

    /// As when a worker warms up: the prompt may overtake the pin.
    @Test
    void aPinnedModelIsLoadedBecauseItIsPinnedWhoeverAskedFirst() {
        CompletableFuture<ModelLease> prompt = ask("c");
        pool.pin(Set.of(new ModelPool.Pin("model-c", "c", null)));
        runTasks();

        prompt.join().close();
        assertThat(events(ModelLoaded.class))
                .singleElement()
                .satisfies(e -> assertThat(e.reason()).isEqualTo(LoadReason.PINNED));
    }

    @Test
    void aPinThatDoesNotFitIsToldAndTheOthersStand() {
        pool.pin(
                new LinkedHashSet<>(
                        List.of(
                                new ModelPool.Pin("model-c", "c", null),
                                new ModelPool.Pin("model-giant", "giant", null),
                                new ModelPool.Pin("model-a", "a", null))));
        runTasks();

        assertThat(loaded()).containsExactlyInAnyOrder("a", "c");
        assertThat(events(ModelLoadFailed.class))
                .singleElement()
                .satisfies(e -> {
                    assertThat(e.modelDigest()).isEqualTo("giant");
                    assertThat(e.reason()).isEqualTo(LoadReason.PINNED);
                });
    }

    @Test
    void aModelThatIsNoLongerPinnedMakesRoomForWhoWaits() {
        pool.pin(Set.of(new ModelPool.Pin("model-a", "a", null)));
        runTasks();
        ModelLease b = lease("b");
        CompletableFuture<ModelLease> c = ask("c");
        runTasks();
        assertThat(c).as("only b could go, and it is used").isNotDone();

        pool.pin(Set.of());
        runTasks();
        assertThat(c).isCompleted();
        assertThat(loaded()).containsExactly("b", "c");
        b.close();
    }

    @Test
    void aFailedLoadIsToldToAllWhoWaitAndTriedAgainByTheNext() {
        models.breakModel("a", true);
        CompletableFuture<ModelLease> first = ask("a");
        CompletableFuture<ModelLease> second = ask("a");
        CompletableFuture<ModelLease> other = ask("b");
        runTasks();
        assertThat(first.exceptionNow()).isInstanceOf(EngineException.class);
        assertThat(second.exceptionNow()).isInstanceOf(EngineException.class);
        assertThat(other).isDone();
        assertThat(models.taken()).isEqualTo(40);

        models.breakModel("a", false);
        assertThat(lease("a").model()).isNotNull();
    }

    @Test
    void oneThatIsNowhereIsRefused() {
        CompletableFuture<ModelLease> lease = ask("nowhere");
        runTasks();
        assertThat(lease.exceptionNow()).hasMessageContaining("nowhere is not here");
    }

    @Test
    void aRequestThatIsGivenUpMakesNobodyWaitOrLeave() {
        ModelLease a = lease("a");
        lease("b").close();
        CompletableFuture<ModelLease> whole = ask("whole");
        runTasks();
        CompletableFuture<ModelLease> again = ask("a");
        runTasks();
        assertThat(again).isNotDone();

        whole.cancel(false);
        runTasks();
        assertThat(again).isDone();
        assertThat(models.loads()).isEqualTo(2);
        a.close();
        again.resultNow().close();
        assertThat(pool.loaded().getFirst().generations()).isZero();
    }

    @Test
    void atTheEndEverythingIsClosedAndWhoWaitsIsTold() {
        ModelLease a = lease("a");
        CompletableFuture<ModelLease> whole = ask("whole");
        runTasks();

        CompletableFuture<ModelLease> loading = ask("b");
        tasks.removeFirst().run();
        pool.close();
        a.close();
        runTasks();

        assertThat(((FakeModel) a.model()).isClosed()).isTrue();
        assertThatThrownBy(whole::get).isInstanceOf(ExecutionException.class);
        assertThat(loading).isCompletedExceptionally();
        assertThat(models.taken()).isZero();
        CompletableFuture<ModelLease> late = ask("c");
        runTasks();
        assertThat(late).isCompletedExceptionally();
    }

    /// Any order of arrivals, loads, closes, ends, cancels, pins and revocations: nothing is used
    /// after its end, the budget holds at every moment, and everybody is served.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void anyScheduleKeepsTheRules(long seed) {
        for (int round = 0; round < 200; round++) {
            new Schedule(new Random(1_000 * seed + round)).run();
        }
    }

    private static final class Schedule {
        private final Random random;
        private final FakeModels models = new FakeModels();
        private final List<String> digests = new ArrayList<>();
        private final List<Runnable> tasks = new ArrayList<>();
        private final Set<String> notServed = new HashSet<>();
        private final List<CompletableFuture<ModelLease>> asked = new ArrayList<>();
        private final List<ModelLease> running = new ArrayList<>();
        private final ModelPool pool;

        Schedule(Random random) {
            this.random = random;
            for (int i = 0; i < 6; i++) {
                String digest = "m" + i;
                digests.add(digest);
                models.with(digest, 1 + random.nextInt((int) BUDGET));
            }
            pool =
                    new ModelPool(
                            models,
                            tasks::add,
                            new ModelPool.Settings(
                                    "w", BUDGET, d -> !notServed.contains(d), _ -> {}));
        }

        void run() {
            for (int step = 0; step < 150; step++) {
                act();
                check();
            }
            // Nobody asks for more: all that wait get theirs as the others end.
            pool.pin(Set.of());
            for (int step = 0; step < 100_000 && !isQuiet(); step++) {
                if (!tasks.isEmpty()) {
                    tasks.remove(random.nextInt(tasks.size())).run();
                } else if (!running.isEmpty()) {
                    running.remove(random.nextInt(running.size())).close();
                }
                check();
            }
            assertThat(asked).as("requests without an answer").isEmpty();
            pool.close();
            assertThat(models.taken()).as("memory after the end").isZero();
        }

        private boolean isQuiet() {
            return tasks.isEmpty() && running.isEmpty();
        }

        private void act() {
            switch (random.nextInt(10)) {
                case 0, 1, 2 -> asked.add(pool.lease("m", digest(), null));
                case 3, 4, 5 -> {
                    if (!tasks.isEmpty()) {
                        tasks.remove(random.nextInt(tasks.size())).run();
                    }
                }
                case 6, 7 -> {
                    if (!running.isEmpty()) {
                        running.remove(random.nextInt(running.size())).close();
                    }
                }
                case 8 -> {
                    if (!asked.isEmpty() && random.nextInt(3) == 0) {
                        asked.get(random.nextInt(asked.size())).cancel(false);
                    }
                }
                default -> {
                    String digest = digest();
                    if (!notServed.remove(digest)) {
                        notServed.add(digest);
                    }
                    if (random.nextInt(4) == 0) {
                        pool.pin(
                                random.ints(random.nextInt(3), 0, digests.size())
                                        .mapToObj(i -> new ModelPool.Pin("m", "m" + i, null))
                                        .collect(Collectors.toSet()));
                    }
                }
            }
        }

        private String digest() {
            return digests.get(random.nextInt(digests.size()));
        }

        private void check() {
            for (CompletableFuture<ModelLease> lease : List.copyOf(asked)) {
                if (lease.isDone()) {
                    asked.remove(lease);
                    if (!lease.isCompletedExceptionally()) {
                        running.add(lease.resultNow());
                    } else if (!lease.isCancelled()) {
                        assertThat(lease.exceptionNow()).isInstanceOf(ModelTooLargeException.class);
                    }
                }
            }
            assertThat(models.taken()).isLessThanOrEqualTo(BUDGET);
            running.forEach(lease -> ((FakeModel) lease.model()).use());
        }
    }

    /// The same by real threads.
    @Test
    void threadsKeepTheRules() throws Exception {
        FakeModels shared = new FakeModels();
        for (int i = 0; i < 5; i++) {
            shared.with("m" + i, 30 + 10L * i);
        }
        try (ExecutorService loading = Executors.newFixedThreadPool(2);
                ExecutorService callers = Executors.newFixedThreadPool(8)) {
            ModelPool threaded =
                    new ModelPool(
                            shared,
                            loading,
                            new ModelPool.Settings("w", BUDGET, _ -> true, _ -> {}));
            List<Future<?>> runs = new ArrayList<>();
            for (int caller = 0; caller < 8; caller++) {
                Random random = new Random(caller);
                runs.add(
                        callers.submit(() -> {
                            for (int i = 0; i < 200; i++) {
                                ModelLease lease =
                                        threaded.lease("m", "m" + random.nextInt(5), null)
                                                .get(60, TimeUnit.SECONDS);
                                for (int use = 0; use < 20; use++) {
                                    ((FakeModel) lease.model()).use();
                                }
                                lease.close();
                            }
                            return null;
                        }));
            }
            for (Future<?> run : runs) {
                run.get(120, TimeUnit.SECONDS);
            }
            threaded.close();
        }
        assertThat(shared.mostTaken()).isLessThanOrEqualTo(BUDGET);
        assertThat(shared.taken()).isZero();
    }
}
