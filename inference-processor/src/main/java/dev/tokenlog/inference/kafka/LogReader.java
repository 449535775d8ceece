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
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.jboss.logging.Logger;

/// Follows any number of partitions without a group, on a thread of its own: the tokens of assigned
/// partitions, the registry, the controls.
final class LogReader implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(LogReader.class);
    private static final Duration POLL = Duration.ofSeconds(1);
    private static final long RETRY_MILLIS = 500;

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
        final List<Barrier> barriers = new ArrayList<>();

        Followed(StartingPoint from, Sink sink) {
            this.from = from;
            this.sink = sink;
        }
    }

    private record Barrier(long offset, Runnable task) {}

    private final Consumer<byte[], byte[]> consumer;
    private final Queue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final Map<TopicPartition, Followed> followed = new HashMap<>();
    private final Map<TopicPartition, List<Runnable>> asked = new HashMap<>();
    private final Semaphore ahead = new Semaphore(BATCHES_AHEAD);
    private final Thread thread;
    private volatile boolean closed;

    LogReader(Consumer<byte[], byte[]> consumer) {
        this.consumer = consumer;
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

    private void setBarrier(TopicPartition partition) {
        int before;
        synchronized (asked) {
            before = asked.get(partition).size();
        }
        long end = consumer.endOffsets(Set.of(partition)).get(partition);
        long position = consumer.position(partition);
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
            followed.get(partition).barriers.add(barrier);
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
        consumer.wakeup();
    }

    private void run() {
        try {
            while (!closed) {
                step();
            }
        } catch (InterruptedException e) {
            LOG.debug("interrupted", e);
        } finally {
            consumer.close();
        }
    }

    private void step() throws InterruptedException {
        try {
            obey();
            if (followed.isEmpty()) {
                Thread.sleep(20);
                return;
            }
            deliver(consumer.poll(POLL));
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
        follower.end = consumer.endOffsets(Set.of(partition)).get(partition);
        long start = consumer.beginningOffsets(Set.of(partition)).get(partition);
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
        consumer.seek(partition, Math.max(start, from));
        checkEnd(partition, follower);
    }

    private long at(TopicPartition partition, long millis, Followed follower) {
        OffsetAndTimestamp found =
                consumer.offsetsForTimes(Map.of(partition, Math.max(0, millis))).get(partition);
        return found == null ? follower.end : found.offset();
    }

    private void assign() {
        Collection<TopicPartition> now = consumer.assignment();
        if (!now.equals(followed.keySet())) {
            consumer.assign(Set.copyOf(followed.keySet()));
        }
    }

    private void deliver(ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition partition : List.copyOf(followed.keySet())) {
            Followed follower = followed.get(partition);
            List<ConsumerRecord<byte[], byte[]>> batch = records.records(partition);
            if (!batch.isEmpty()) {
                follower.sink.records(batch, batch.getLast().offset() + 1);
            }
            checkEnd(partition, follower);
        }
    }

    private void checkEnd(TopicPartition partition, Followed follower) {
        if (!follower.reachedEnd && consumer.position(partition) >= follower.end) {
            follower.reachedEnd = true;
            // Where nothing was left to read, nobody has said yet how far that is: who commits it
            // as
            // a safe beginning would make the next owner read all of the partition.
            follower.sink.records(List.of(), consumer.position(partition));
            follower.sink.reachedEnd();
        }
        passBarriers(partition, follower);
    }

    private void passBarriers(TopicPartition partition, Followed follower) {
        if (!follower.barriers.isEmpty()) {
            long position = consumer.position(partition);
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
        consumer.wakeup();
        ahead.release(BATCHES_AHEAD);
        try {
            thread.join(Duration.ofSeconds(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
