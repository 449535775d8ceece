package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.inference.protocol.SimulatedCluster.Appended;
import dev.tokenlog.inference.protocol.SimulatedCluster.PartitionLogs;
import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import dev.tokenlog.inference.protocol.TokenTopic.TokenRecord;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.apache.kafka.common.header.Headers;

/// A [Worker] on simulated ports. Whatever is asynchronous waits here until chance picks it; what
/// has an order (the sends of one producer, a partition's records) keeps it.
final class SimulatedWorker
        implements ProtocolClock,
                TokenTopic,
                PromptTopic,
                DeadLetterTopic,
                ModelCatalogue,
                Inference {

    static final Duration WINDOW = Duration.ofHours(1);

    private record Timer(long at, long order, Runnable task) {}

    private static final class Follower {
        long position;
        final long end;
        final Reader reader;
        boolean reachedEnd;

        Follower(long position, long end, Reader reader) {
            this.position = position;
            this.end = end;
            this.reader = reader;
        }
    }

    private static final class Feed {
        long position;
        boolean ready = true;
    }

    private final SimulatedCluster cluster;
    private final String id;
    private final String numericsId;
    private final Worker worker;
    private final List<Timer> timers = new ArrayList<>();
    private final List<Runnable> tasks = new ArrayList<>();
    private final Map<Integer, Deque<Runnable>> sends = new TreeMap<>();
    private final Map<Integer, Follower> followers = new TreeMap<>();
    private final Map<Integer, Feed> feeds = new TreeMap<>();
    private long timerOrder;
    private boolean dead;

    /// What it was told of the log so far.
    int eventsRead;

    int pastPromptsRead;

    SimulatedWorker(SimulatedCluster cluster, String id, String numericsId) {
        this.cluster = cluster;
        this.id = id;
        this.numericsId = numericsId;
        WorkerSettings settings =
                new WorkerSettings(
                        id,
                        new WorkerSettings.PromptDefaults(6, 0, 0, 1),
                        3,
                        Duration.ofMillis(25),
                        WINDOW,
                        Duration.ofHours(24),
                        Duration.ofSeconds(60),
                        1_000,
                        4,
                        50,
                        1 << 20);
        this.worker =
                new Worker(
                        settings,
                        new WorkerPorts(
                                this, this, this, this, this, this, HaltPoints.NONE, Meter.NONE));
    }

    @Override
    public String toString() {
        return id
                + " reading="
                + worker.isReading()
                + " active="
                + worker.activeGenerations()
                + " waiting="
                + worker.waitingGenerations();
    }

    boolean holds(int partition) {
        return feeds.containsKey(partition);
    }

    void addPossible(List<Runnable> possible) {
        for (int i = 0; i < tasks.size(); i++) {
            int index = i;
            possible.add(() -> tasks.remove(index).run());
        }
        for (Deque<Runnable> queue : sends.values()) {
            if (!queue.isEmpty()) {
                possible.add(() -> queue.remove().run());
            }
        }
        timers.stream()
                .filter(t -> t.at() <= cluster.now())
                .min(Comparator.comparingLong(Timer::at).thenComparingLong(Timer::order))
                .ifPresent(t ->
                        possible.add(() -> {
                            timers.remove(t);
                            t.task().run();
                        }));
        followers.forEach((partition, follower) -> {
            if (follower.position < tokens(partition).size() || !follower.reachedEnd) {
                possible.add(() -> read(partition, follower));
            }
        });
        feeds.forEach((partition, feed) -> {
            if (feed.ready && feed.position < logs(partition).prompts.size()) {
                possible.add(() -> feed(partition, feed));
            }
        });
    }

    private PartitionLogs logs(int partition) {
        return cluster.partitions.get(partition);
    }

    private List<Appended> tokens(int partition) {
        return logs(partition).tokens;
    }

    // ---- The group

    void assign(Assignment assignment) {
        Feed feed = new Feed();
        feed.position = assignment.committed();
        feeds.put(assignment.partition(), feed);
        worker.assigned(assignment);
    }

    private void feed(int partition, Feed feed) {
        PromptRecord record = logs(partition).prompts.get((int) feed.position++);
        feed.ready = false;
        worker.prompt(record, () -> feed.ready = true);
        if (cluster.staleRecords && cluster.random.nextInt(4) == 0) {
            // Taken from the queue, and given to the worker when the world has changed.
            PromptRecord stale = record;
            after(cluster.random.nextInt(300), () -> worker.prompt(stale, () -> {}));
        }
    }

    void revoke(int partition) {
        if (!holds(partition)) {
            return;
        }
        feeds.remove(partition);
        worker.revoked(
                List.of(partition),
                commits -> {
                    Commit last = commits.get(partition);
                    if (last != null) {
                        cluster.commit(this, partition, last);
                    }
                    free(partition);
                });
        // The group does not wait for ever.
        after(
                5_000,
                () -> {
                    if (logs(partition).owner == this && !holds(partition)) {
                        worker.lost(List.of(partition));
                        free(partition);
                    }
                });
    }

    /// As the end of the process asks, whatever the group has asked for.
    void handsOver(int partition, Consumer<Map<Integer, Commit>> done) {
        worker.revoked(List.of(partition), done);
    }

    private void free(int partition) {
        if (logs(partition).owner == this) {
            logs(partition).owner = null;
        }
    }

    /// It does not know yet that the partition is gone.
    void willNotice(int partition) {
        after(
                cluster.random.nextInt(400),
                () -> {
                    feeds.remove(partition);
                    worker.lost(List.of(partition));
                });
    }

    void cancel(String generationId, long at) {
        tasks.add(() -> worker.cancelRequested(generationId, "asked", at));
    }

    void die() {
        dead = true;
        for (Deque<Runnable> queue : sends.values()) {
            int landing = cluster.random.nextInt(queue.size() + 1);
            for (int i = 0; i < landing; i++) {
                queue.remove().run();
            }
        }
        tasks.clear();
        timers.clear();
        followers.clear();
        feeds.clear();
    }

    // ---- Clock

    @Override
    public long now() {
        return cluster.now() + cluster.clockError;
    }

    @Override
    public Cancellable after(long millis, Runnable task) {
        Timer timer = new Timer(cluster.now() + millis, timerOrder++, task);
        timers.add(timer);
        return () -> timers.remove(timer);
    }

    private void later(Runnable task) {
        tasks.add(() -> {
            if (!dead) {
                task.run();
            }
        });
    }

    // ---- tokens

    @Override
    public void append(int partition, TokenEvent event, Headers prompt, Consumer<SendResult> done) {
        if (event instanceof TokenEvent.TokensGenerated tokens
                && tokens.index() + tokens.tokenIds().size() > cluster.tooLargeFrom) {
            later(() -> done.accept(new SendResult.TooLarge("too many tokens")));
            return;
        }
        boolean lost = cluster.lostSends > 0 && cluster.random.nextInt(10) == 0;
        if (lost) {
            cluster.lostSends--;
        }
        int fate = cluster.random.nextInt(3);
        sends.computeIfAbsent(partition, _ -> new ArrayDeque<>())
                .add(() -> land(partition, event, done, lost, fate));
    }

    private void land(
            int partition, TokenEvent event, Consumer<SendResult> done, boolean lost, int fate) {
        Runnable write = () -> tokens(partition).add(new Appended(cluster.now(), event));
        if (!lost || fate == 0) {
            write.run();
        } else if (fate == 1) {
            // It was in a socket's buffer, and comes when its sender has long given up.
            tasks.add(write);
        }
        if (!dead) {
            SendResult result =
                    lost ? new SendResult.Failed("timed out") : new SendResult.Acknowledged();
            later(() -> done.accept(result));
        }
    }

    @Override
    public void follow(int partition, StartingPoint from, Reader reader) {
        long position =
                switch (from) {
                    case StartingPoint.Offset(long offset) -> offset;
                    case StartingPoint.AppendTime(long millis) ->
                            tokens(partition).stream().filter(a -> a.time() < millis).count();
                };
        int start = logs(partition).tokensStart;
        boolean deleted =
                from instanceof StartingPoint.Offset
                        ? position < start
                        : start > 0 && position <= start;
        if (deleted) {
            reader.beginningDeleted(start);
        }
        position = Math.max(position, start);
        followers.put(partition, new Follower(position, tokens(partition).size(), reader));
    }

    @Override
    public void unfollow(int partition) {
        followers.remove(partition);
    }

    private void read(int partition, Follower follower) {
        List<Appended> log = tokens(partition);
        long until = Math.min(log.size(), follower.position + 1 + cluster.random.nextInt(4));
        List<TokenRecord> records = new ArrayList<>();
        for (long offset = follower.position; offset < until; offset++) {
            Appended appended = log.get((int) offset);
            records.add(new TokenRecord(offset, appended.time(), appended.event()));
        }
        eventsRead += records.size();
        follower.position = until;
        follower.reader.records(records, until);
        if (!follower.reachedEnd && until >= follower.end) {
            follower.reachedEnd = true;
            follower.reader.reachedEnd();
        }
    }

    // ---- prompts

    @Override
    public void past(int partition, long committed, long windowMillis, Consumer<Past> done) {
        later(() -> {
            List<PromptRecord> prompts = logs(partition).prompts;
            // Some of them: all come again by the channel, before or after this.
            int some = (int) Math.min(prompts.size() - committed, 1 + committed % 3);
            List<PromptRecord> uncommitted =
                    List.copyOf(prompts.subList((int) committed, (int) committed + some));
            long since =
                    (uncommitted.isEmpty() ? cluster.now() : uncommitted.getFirst().appendTime())
                            - windowMillis;
            List<PastPrompt> past = new ArrayList<>();
            for (PromptRecord record : prompts.subList(0, (int) committed)) {
                Optional<String> name = PromptParser.generationId(record);
                if (record.appendTime() >= since && name.isPresent()) {
                    past.add(new PastPrompt(record.offset(), record.appendTime(), name.get()));
                }
            }
            pastPromptsRead += past.size();
            done.accept(new Past(uncommitted, past, prompts.size()));
        });
    }

    @Override
    public void firstFrom(int partition, long offset, LongConsumer done) {
        later(() -> done.accept(Math.max(offset, logs(partition).start)));
    }

    @Override
    public void commit(int partition, Commit commit, Consumer<Boolean> done) {
        // Of this assignment: one of an earlier epoch the group refuses.
        Feed feed = feeds.get(partition);
        tasks.add(() -> {
            boolean accepted =
                    feed != null
                            && feeds.get(partition) == feed
                            && cluster.commit(this, partition, commit);
            later(() -> done.accept(accepted));
        });
    }

    @Override
    public void append(Letter letter, Consumer<SendResult> done) {
        boolean lost = cluster.lostSends > 0 && cluster.random.nextInt(10) == 0;
        if (lost) {
            cluster.lostSends--;
        }
        tasks.add(() -> {
            if (!lost) {
                cluster.deadLetters.add(letter);
            }
            SendResult result =
                    lost ? new SendResult.Failed("timed out") : new SendResult.Acknowledged();
            later(() -> done.accept(result));
        });
    }

    // ---- model-registry

    @Override
    public Optional<ModelServing> find(String modelId) {
        if (!modelId.equals("demo")) {
            return Optional.empty();
        }
        ModelServing.Version version =
                new ModelServing.Version(
                        "sha256-demo",
                        ModelServing.State.SERVING,
                        null,
                        null,
                        null,
                        "/models/demo",
                        null,
                        null,
                        null,
                        4,
                        1,
                        100,
                        null);
        return Optional.of(
                new ModelServing("demo", ModelServing.State.SERVING, version, List.of(version)));
    }

    @Override
    public void whenCurrent(Runnable task) {
        later(task);
    }

    // ---- inference

    @Override
    public String numericsId() {
        return numericsId;
    }

    @Override
    public Preparing prepare(Work work, Consumer<Preparation> done) {
        later(() -> {
            cluster.digests.add(work.modelDigest());
            if (cluster.poisonous.contains(work.generationId() + "/prompt")) {
                cluster.kill(this);
                return;
            }
            done.accept(new Preparation.Ready(prepared(work)));
        });
        return () -> {};
    }

    private PreparedPrompt prepared(Work work) {
        return new PreparedPrompt() {
            @Override
            public OptionalLong peakMemoryBytes() {
                return OptionalLong.empty();
            }

            @Override
            public int promptTokens() {
                return 5;
            }

            @Override
            public String promptHash() {
                return TokenHash.of((int) work.seed());
            }

            @Override
            public void discard() {}

            @Override
            public Run start(int[] doneIds, boolean alone, RunListener listener) {
                SimulatedRun run = new SimulatedRun(work, doneIds, listener);
                later(run::step);
                return run;
            }
        };
    }

    private final class SimulatedRun implements Run {
        private final Work work;
        private final RunListener listener;
        private int[] ids;
        private boolean stopped;

        SimulatedRun(Work work, int[] doneIds, RunListener listener) {
            this.work = work;
            this.ids = doneIds;
            this.listener = listener;
        }

        @Override
        public void stop() {
            stopped = true;
        }

        private void step() {
            if (stopped) {
                listener.stopped();
            } else if (ids.length > 0 && SimulatedModel.isEnd(ids[ids.length - 1])) {
                listener.finished("stop", null, Inference.Saved.NOTHING);
            } else if (ids.length >= work.parameters().maxTokens()) {
                listener.finished("length", null, Inference.Saved.NOTHING);
            } else if (cluster.poisonous.contains(work.generationId() + "/" + ids.length)) {
                cluster.kill(SimulatedWorker.this);
            } else {
                int next = SimulatedModel.next(numericsId, work.seed(), ids, ids.length);
                ids = java.util.Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = next;
                listener.token(next, " " + next, null);
                later(this::step);
            }
        }
    }
}
