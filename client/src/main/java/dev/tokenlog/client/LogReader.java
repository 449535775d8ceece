package dev.tokenlog.client;

import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.Topic;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;

/// One thread with one consumer that reads partitions for any number of followers: each gets every
/// record from the offset it asked for, once and in order. No group, no commits.
///
/// A follower that joins behind the others makes the reader go back; those ahead do not notice. A
/// broker that is away for a while is waited for.
///
/// A broker lets a fetch that finds nothing wait, and a partition that is added meanwhile waits
/// with it. A reader whose fetches wait long costs the brokers little; so that nobody who joins it
/// waits as long, one whose fetches are short can stand before it: whoever follows is read to by
/// both at first, by the patient one in the end.
final class LogReader implements Source {

    interface Listener {
        /// Called on a reader's thread, of one at a time.
        void onRecord(LogRecord record);

        /// Reading cannot go on; nothing follows.
        void onFailure(TokenlogException reason);
    }

    private static final Duration POLL = Duration.ofSeconds(10);

    /// How long to rest after a failure that may pass.
    private static final Duration REST = Duration.ofMillis(200);

    private final Consumer<byte[], byte[]> consumer;
    private final Function<String, Topic> topics;
    private final Thread thread;
    private final Optional<LogReader> patient;
    private final Duration both;

    /// Guarded by itself, as is `closing`: what other threads want of the reader's thread.
    private final Queue<Runnable> changes = new ArrayDeque<>();

    private boolean closing;

    /// Of the reader's thread alone.
    private final Map<TopicPartition, Reading> readings = new HashMap<>();

    private static final class Reading {
        private final List<Following> followings = new ArrayList<>();
        private long position;
    }

    LogReader(Consumer<byte[], byte[]> consumer, Function<String, Topic> topics, String name) {
        this(consumer, topics, name, Optional.empty(), Duration.ZERO);
    }

    private LogReader(
            Consumer<byte[], byte[]> consumer,
            Function<String, Topic> topics,
            String name,
            Optional<LogReader> patient,
            Duration both) {
        this.patient = patient;
        this.both = both;
        this.consumer = consumer;
        this.topics = topics;
        this.thread = Thread.ofPlatform().daemon().name(name).start(this::run);
    }

    /// One whose fetches are short, before this one. It closes this one as well.
    ///
    /// @param both for so long a follower is read to by both: more than a patient fetch lasts
    LogReader behind(Consumer<byte[], byte[]> quick, String name, Duration both) {
        return new LogReader(quick, topics, name, Optional.of(this), both);
    }

    /// Calls the listener with every record from these offsets on, until the following is closed.
    Following follow(Map<TopicPartition, Long> from, Listener listener) {
        Following following = new Following(from, listener);
        patient.ifPresent(reader -> reader.change(() -> reader.add(following)));
        if (!change(() -> add(following))) {
            following.fail(closed());
        }
        return following;
    }

    private boolean change(Runnable change) {
        synchronized (changes) {
            if (closing) {
                return false;
            }
            changes.add(change);
            changes.notifyAll();
        }
        consumer.wakeup();
        return true;
    }

    /// What a listener was promised, and how far it is.
    final class Following implements Source {
        private final Set<TopicPartition> partitions;
        private final Map<TopicPartition, Long> next;
        private final Listener listener;
        private final long begun = System.nanoTime();
        private boolean closed;

        private Following(Map<TopicPartition, Long> from, Listener listener) {
            this.partitions = Set.copyOf(from.keySet());
            this.next = new HashMap<>(from);
            this.listener = listener;
        }

        private synchronized void deliver(TopicPartition partition, LogRecord record) {
            if (closed || record.offset() < next.get(partition)) {
                return;
            }
            next.put(partition, record.offset() + 1);
            listener.onRecord(record);
        }

        private synchronized void fail(TokenlogException reason) {
            if (!closed) {
                close();
                listener.onFailure(reason);
            }
        }

        private synchronized long next(TopicPartition partition) {
            return next.get(partition);
        }

        private synchronized boolean isClosed() {
            return closed;
        }

        private boolean isSettled() {
            return System.nanoTime() - begun > both.toNanos();
        }

        /// May be called from any thread, the listener's included.
        @Override
        public synchronized void close() {
            if (!closed) {
                closed = true;
                change(() -> remove(this));
                patient.ifPresent(reader -> reader.change(() -> reader.remove(this)));
            }
        }
    }

    private void run() {
        try {
            while (runChanges()) {
                if (!readings.isEmpty()) {
                    poll();
                }
                if (patient.isPresent()) {
                    followings().stream().filter(Following::isSettled).forEach(this::remove);
                }
            }
        } finally {
            followings().forEach(following -> following.fail(closed()));
            consumer.close(CloseOptions.timeout(Duration.ZERO));
        }
    }

    /// Waits for a change if there is nothing to read.
    ///
    /// @return false if the reader is to end
    private boolean runChanges() {
        List<Runnable> due;
        boolean goesOn;
        synchronized (changes) {
            while (changes.isEmpty() && readings.isEmpty() && !closing) {
                try {
                    changes.wait();
                } catch (InterruptedException e) {
                    closing = true;
                }
            }
            due = List.copyOf(changes);
            changes.clear();
            goesOn = !closing;
        }
        // Without the lock: a following that is closed has its own, and then wants this one.
        due.forEach(Runnable::run);
        return goesOn;
    }

    private void poll() {
        try {
            for (ConsumerRecord<byte[], byte[]> raw :
                    consumer.poll(patient.isPresent() ? both : POLL)) {
                Reading reading = readings.get(new TopicPartition(raw.topic(), raw.partition()));
                if (reading != null) {
                    deliver(reading, raw);
                }
            }
        } catch (WakeupException _) {
            // A change is waiting: the loop makes it.
        } catch (OffsetOutOfRangeException gone) {
            gone.offsetOutOfRangePartitions().forEach(this::failGap);
        } catch (RetriableException passing) {
            rest();
        } catch (KafkaException fatal) {
            TokenlogException reason =
                    Failures.of(
                            "reading the log",
                            new Failures.Asked(AclOperation.READ, "topics " + readings.keySet()),
                            fatal);
            followings().forEach(following -> fail(following, reason));
        }
    }

    private void deliver(Reading reading, ConsumerRecord<byte[], byte[]> raw) {
        reading.position = raw.offset() + 1;
        TopicPartition partition = new TopicPartition(raw.topic(), raw.partition());
        LogRecord record = new LogRecord(topics.apply(raw.topic()), raw);
        // A copy: a listener that fails is taken out of the list.
        for (Following following : List.copyOf(reading.followings)) {
            try {
                following.deliver(partition, record);
            } catch (RuntimeException defect) {
                fail(
                        following,
                        new TokenlogException(
                                Kind.FAILED,
                                "a listener failed at %s offset %d"
                                        .formatted(partition, raw.offset()),
                                defect));
            }
        }
    }

    private void failGap(TopicPartition partition, long offset) {
        TokenlogException reason =
                new TokenlogException(
                        Kind.LOG_GAP, "%s does not hold offset %d".formatted(partition, offset));
        Reading reading = readings.get(partition);
        if (reading == null) {
            return;
        }
        // Those who are further on do not miss what is gone.
        List.copyOf(reading.followings).stream()
                .filter(following -> following.next(partition) <= offset)
                .forEach(following -> fail(following, reason));
        reading.followings.stream()
                .mapToLong(following -> following.next(partition))
                .min()
                .ifPresent(next -> {
                    reading.position = next;
                    consumer.seek(partition, next);
                });
    }

    private void fail(Following following, TokenlogException reason) {
        remove(following);
        following.fail(reason);
    }

    private Set<Following> followings() {
        return readings.values().stream()
                .flatMap(reading -> reading.followings.stream())
                .collect(Collectors.toSet());
    }

    private void add(Following following) {
        if (following.isClosed()) {
            return;
        }
        Map<TopicPartition, Long> back = new HashMap<>();
        following.partitions.forEach(partition -> {
            long offset = following.next(partition);
            Reading reading = readings.get(partition);
            if (reading == null) {
                reading = new Reading();
                readings.put(partition, reading);
                back.put(partition, offset);
            } else if (reading.position > offset) {
                back.put(partition, offset);
            }
            reading.followings.add(following);
        });
        consumer.assign(readings.keySet());
        back.forEach((partition, offset) -> {
            readings.get(partition).position = offset;
            consumer.seek(partition, offset);
        });
    }

    private void remove(Following following) {
        boolean changed = false;
        for (TopicPartition partition : following.partitions) {
            Reading reading = readings.get(partition);
            if (reading != null
                    && reading.followings.remove(following)
                    && reading.followings.isEmpty()) {
                readings.remove(partition);
                changed = true;
            }
        }
        if (changed) {
            consumer.assign(readings.keySet());
        }
    }

    private static TokenlogException closed() {
        return new TokenlogException(Kind.CLOSED, "the client was closed");
    }

    private static void rest() {
        try {
            Thread.sleep(REST);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Ends every following, and returns when the thread has ended. Not to be called by a listener.
    @Override
    public void close() {
        synchronized (changes) {
            closing = true;
            changes.notifyAll();
        }
        consumer.wakeup();
        try {
            thread.join(Duration.ofSeconds(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        patient.ifPresent(LogReader::close);
    }
}
