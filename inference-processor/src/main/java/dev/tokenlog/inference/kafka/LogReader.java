package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.jboss.logging.Logger;

/// Follows any number of partitions without a group, on a thread of its own: the tokens of assigned
/// partitions, the registry, the controls.
///
/// A broker answers the requests of a connection one after the other, and a fetch that finds
/// nothing stays there for a while. So there are two consumers. One is patient, and costs an idle
/// worker little. The other is not: it asks for offsets, and reads a partition from where it begins
/// until its end was reached, because the partition's prompts wait for that, and for a second more:
/// by then the patient one, which gets it there, has had an answer to what it had asked for before
/// (`docs/decisions/0225`).
final class LogReader implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(LogReader.class);
    private static final Duration POLL = Duration.ofSeconds(1);
    private static final long RETRY_MILLIS = 500;

    /// How long the quick consumer is waited for, and so the patient one's records wait meanwhile.
    private static final Duration QUICK_POLL = Duration.ofMillis(5);

    private static final Duration ANSWER = Duration.ofSeconds(3);

    /// Known at once, but where leaders change.
    private static final Duration POSITION = Duration.ofMillis(50);

    /// For so long after a partition's end was reached both consumers read it. More than a patient
    /// fetch lasts.
    private static final Duration BOTH = Duration.ofSeconds(1);

    /// Batches handed over and not yet taken in: more are not read before.
    private static final int BATCHES_AHEAD = 64;

    /// Told on the reader's thread, except where [#handOver] says otherwise.
    interface Sink {

        /// Told first, if at all: the log does not hold the starting offset any more.
        ///
        /// @param before records of smaller offsets are missing; the largest number where the
        ///   starting offset is of another log, so that no offset says anything
        default void beginningDeleted(long before) {}

        /// @param records none where the end is reached and nothing stood before it
        /// @param next the offset behind the last one read
        void records(List<ConsumerRecord<byte[], byte[]>> records, long next);

        void reachedEnd();
    }

    private static final class Followed {
        final StartingPoint from;
        final Sink sink;
        long end = -1;
        boolean reachedEnd;
        boolean isNew = true;
        long newUntil;

        /// Behind everything that has been told.
        long next;

        final List<Barrier> barriers = new ArrayList<>();

        Followed(StartingPoint from, Sink sink) {
            this.from = from;
            this.sink = sink;
        }
    }

    private record Barrier(long offset, Runnable task) {}

    private final Consumer<byte[], byte[]> patient;
    private final Consumer<byte[], byte[]> quick;
    private final Queue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final Map<TopicPartition, Followed> followed = new HashMap<>();
    private final Map<TopicPartition, List<Runnable>> asked = new HashMap<>();
    private final Semaphore ahead = new Semaphore(BATCHES_AHEAD);
    private final Thread thread;
    private final long bothNanos;
    private volatile boolean closed;

    /// @param patient its fetches may stay at their brokers
    /// @param quick its fetches come back at once
    LogReader(Consumer<byte[], byte[]> patient, Consumer<byte[], byte[]> quick) {
        this(patient, quick, BOTH);
    }

    LogReader(Consumer<byte[], byte[]> patient, Consumer<byte[], byte[]> quick, Duration both) {
        this.bothNanos = both.toNanos();
        this.patient = patient;
        this.quick = quick;
        this.thread = Thread.ofPlatform().name("inference-log-reader").unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /// Reads from there on and tells the sink, until [#unfollow]. From any thread.
    void follow(TopicPartition partition, StartingPoint from, Sink sink) {
        command(() -> begin(partition, new Followed(from, sink)));
    }

    void unfollow(TopicPartition partition) {
        command(() -> {
            followed.remove(partition);
            assign();
        });
    }

    /// Runs the task after everything that the partition holds now has been told. From any thread;
    /// who asks at the same time asks the broker once.
    void whenCurrent(TopicPartition partition, Runnable task) {
        boolean first;
        synchronized (asked) {
            List<Runnable> tasks = asked.computeIfAbsent(partition, _ -> new ArrayList<>());
            first = tasks.isEmpty();
            tasks.add(task);
        }
        if (first) {
            command(() -> setBarrier(partition));
        }
    }

    /// The first offset that each partition still holds. From any thread.
    CompletableFuture<Map<TopicPartition, Long>> beginnings(Collection<TopicPartition> partitions) {
        CompletableFuture<Map<TopicPartition, Long>> found = new CompletableFuture<>();
        command(() -> answer(partitions, found));
        return found;
    }

    /// All reading waits for the answer, so it is asked once, and only while somebody waits for it.
    private void answer(
            Collection<TopicPartition> partitions,
            CompletableFuture<Map<TopicPartition, Long>> found) {
        if (found.isDone()) {
            return;
        }
        try {
            found.complete(quick.beginningOffsets(partitions, ANSWER));
        } catch (WakeupException e) {
            throw e;
        } catch (KafkaException e) {
            found.completeExceptionally(e);
        }
    }

    private void setBarrier(TopicPartition partition) {
        int before;
        synchronized (asked) {
            before = asked.get(partition).size();
        }
        Followed follower = followed.get(partition);
        long end = quick.endOffsets(Set.of(partition)).get(partition);
        long position = position(partition, follower);
        List<Runnable> tasks;
        synchronized (asked) {
            // Who came after the question is answered by the next one.
            List<Runnable> all = asked.remove(partition);
            tasks = List.copyOf(all.subList(0, before));
            if (before < all.size()) {
                asked.put(partition, new ArrayList<>(all.subList(before, all.size())));
                command(() -> setBarrier(partition));
            }
        }
        Barrier barrier = new Barrier(end, () -> tasks.forEach(Runnable::run));
        if (position >= end) {
            barrier.task().run();
        } else {
            follower.barriers.add(barrier);
        }
    }

    /// Bounds what is read ahead of a slow taker: take before handing a batch to another thread,
    /// and [#taken] there.
    void handOver() throws InterruptedException {
        ahead.acquire();
    }

    void taken() {
        ahead.release();
    }

    private void command(Runnable command) {
        commands.add(command);
        patient.wakeup();
    }

    private void run() {
        try {
            while (!closed) {
                step();
            }
        } catch (InterruptedException e) {
            LOG.debug("interrupted", e);
        } finally {
            patient.close();
            quick.close();
        }
    }

    private void step() throws InterruptedException {
        try {
            obey();
            if (followed.isEmpty()) {
                Thread.sleep(20);
                return;
            }
            boolean waits = poll(quick, QUICK_POLL);
            poll(patient, waits ? Duration.ZERO : POLL);
            settle();
        } catch (WakeupException e) {
            LOG.trace("woken for a command");
        } catch (KafkaException e) {
            LOG.warnf("reading the log failed, tried again: %s", e.getMessage());
            Thread.sleep(RETRY_MILLIS);
        }
    }

    /// A command that fails is tried again: it stays first.
    private void obey() {
        for (Runnable next = commands.peek(); next != null; next = commands.peek()) {
            next.run();
            commands.remove();
        }
    }

    private void begin(TopicPartition partition, Followed follower) {
        followed.put(partition, follower);
        assign();
        // The end before the start: nothing that stands before it may be missed.
        follower.end = quick.endOffsets(Set.of(partition)).get(partition);
        long start = quick.beginningOffsets(Set.of(partition)).get(partition);
        long from =
                switch (follower.from) {
                    case StartingPoint.Offset(long offset) ->
                            offset > follower.end ? start : offset;
                    case StartingPoint.AppendTime(long millis) -> at(partition, millis, follower);
                };
        boolean another =
                follower.from instanceof StartingPoint.Offset(long offset) && offset > follower.end;
        boolean deleted =
                switch (follower.from) {
                    case StartingPoint.Offset(long offset) -> offset < start;
                    // Whether what is left is all that there was since then, nobody can say.
                    case StartingPoint.AppendTime _ -> start > 0 && from <= start;
                };
        if (deleted || another) {
            follower.sink.beginningDeleted(another ? Long.MAX_VALUE : start);
        }
        quick.seek(partition, Math.max(start, from));
        checkEnd(partition, follower);
    }

    private long at(TopicPartition partition, long millis, Followed follower) {
        OffsetAndTimestamp found =
                quick.offsetsForTimes(Map.of(partition, Math.max(0, millis))).get(partition);
        return found == null ? follower.end : found.offset();
    }

    private void assign() {
        assign(quick, follower -> follower.isNew);
        assign(patient, follower -> follower.reachedEnd);
    }

    private void assign(Consumer<byte[], byte[]> consumer, Predicate<Followed> which) {
        Set<TopicPartition> wanted =
                followed.entrySet().stream()
                        .filter(entry -> which.test(entry.getValue()))
                        .map(Map.Entry::getKey)
                        .collect(Collectors.toSet());
        if (!consumer.assignment().equals(wanted)) {
            consumer.assign(wanted);
        }
    }

    /// @return whether the consumer has a partition
    private boolean poll(Consumer<byte[], byte[]> consumer, Duration most) {
        if (consumer.assignment().isEmpty()) {
            return false;
        }
        deliver(consumer, consumer.poll(most));
        return true;
    }

    private void deliver(
            Consumer<byte[], byte[]> consumer, ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition partition : records.partitions()) {
            Followed follower = followed.get(partition);
            List<ConsumerRecord<byte[], byte[]>> batch =
                    records.records(partition).stream()
                            .filter(record -> record.offset() >= follower.next)
                            .toList();
            if (!batch.isEmpty()) {
                follower.next = batch.getLast().offset() + 1;
                follower.sink.records(batch, follower.next);
            }
        }
        // Only now: asking for a position can fail, and who has polled gets no record again.
        for (TopicPartition partition : Set.copyOf(consumer.assignment())) {
            checkEnd(partition, followed.get(partition));
        }
    }

    /// Who has read everything up to here is not always who has read the last record: behind it may
    /// stand what a transaction left.
    private long position(TopicPartition partition, Followed follower) {
        Consumer<byte[], byte[]> consumer = follower.isNew ? quick : patient;
        return Math.max(follower.next, consumer.position(partition, POSITION));
    }

    private void settle() {
        for (TopicPartition partition : Set.copyOf(quick.assignment())) {
            Followed follower = followed.get(partition);
            if (follower.reachedEnd && System.nanoTime() - follower.newUntil > 0) {
                follower.isNew = false;
                assign();
            }
        }
    }

    private void checkEnd(TopicPartition partition, Followed follower) {
        if (follower.reachedEnd && follower.barriers.isEmpty()) {
            return;
        }
        long position;
        try {
            position = position(partition, follower);
        } catch (TimeoutException e) {
            LOG.debugf("where %s stands is not known, asked again", partition);
            return;
        }
        if (!follower.reachedEnd && position >= follower.end) {
            follower.reachedEnd = true;
            follower.newUntil = System.nanoTime() + bothNanos;
            assign();
            patient.seek(partition, position);
            // Where nothing was left to read, nobody has said yet how far that is: who commits it
            // as a safe beginning would make the next owner read all of the partition.
            follower.sink.records(List.of(), position);
            follower.sink.reachedEnd();
        }
        passBarriers(follower, position);
    }

    private static void passBarriers(Followed follower, long position) {
        if (!follower.barriers.isEmpty()) {
            follower.barriers.removeIf(barrier -> {
                boolean passed = position >= barrier.offset();
                if (passed) {
                    barrier.task().run();
                }
                return passed;
            });
        }
    }

    boolean isAlive() {
        return thread.isAlive();
    }

    @Override
    public void close() {
        closed = true;
        patient.wakeup();
        quick.wakeup();
        ahead.release(BATCHES_AHEAD);
        try {
            thread.join(Duration.ofSeconds(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
