package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.PromptParser;
import dev.tokenlog.inference.protocol.PromptRecord;
import dev.tokenlog.inference.protocol.PromptTopic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.jboss.logging.Logger;

/// The past of `prompts`, read by a consumer of its own for each assignment, and the commits of the
/// channel.
final class KafkaPromptTopic implements PromptTopic {

    private static final Logger LOG = Logger.getLogger(KafkaPromptTopic.class);
    private static final Duration POLL = Duration.ofMillis(500);

    /// Prompts of a partition that has just come; the channel brings all of them.
    private static final int MOST_UNCOMMITTED = 100;

    private static final Duration RETRY = Duration.ofSeconds(1);

    private final String topic;
    private final Supplier<org.apache.kafka.clients.consumer.Consumer<byte[], byte[]>> consumers;
    private final CompletableFuture<PromptCommits> commits;
    private final long clockOffset;
    private final Executor protocol;
    private volatile boolean closed;

    KafkaPromptTopic(
            String topic,
            Supplier<org.apache.kafka.clients.consumer.Consumer<byte[], byte[]>> consumers,
            CompletableFuture<PromptCommits> commits,
            Duration clockOffset,
            Executor protocol) {
        this.topic = topic;
        this.consumers = consumers;
        this.commits = commits;
        this.clockOffset = clockOffset.toMillis();
        this.protocol = protocol;
    }

    @Override
    public void commit(int partition, Commit commit, Consumer<Boolean> done) {
        commits.thenAccept(channel ->
                channel.commit(
                        new TopicPartition(topic, partition),
                        commit,
                        accepted -> protocol.execute(() -> done.accept(accepted))));
    }

    @Override
    public void past(int partition, long committed, long windowMillis, Consumer<Past> done) {
        look(partition, (consumer, place) -> read(consumer, place, committed, windowMillis), done);
    }

    @Override
    public void firstFrom(int partition, long offset, LongConsumer done) {
        look(partition, (consumer, place) -> first(consumer, place, offset), done::accept);
    }

    private interface Look<T> {
        T at(
                org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
                TopicPartition partition);
    }

    /// Looks into the log on a thread of its own, again and again until it succeeds.
    private <T> void look(int partition, Look<T> look, Consumer<T> done) {
        Thread.ofVirtual()
                .name("inference-past-" + partition)
                .start(() -> look(new TopicPartition(topic, partition), look, done));
    }

    private <T> void look(TopicPartition partition, Look<T> look, Consumer<T> done) {
        while (!closed) {
            try (var consumer = consumers.get()) {
                consumer.assign(Set.of(partition));
                T found = look.at(consumer, partition);
                protocol.execute(() -> done.accept(found));
                return;
            } catch (KafkaException e) {
                LOG.warnf("looking into %s failed: %s", partition, e.getMessage());
                try {
                    Thread.sleep(RETRY);
                } catch (InterruptedException interrupted) {
                    return;
                }
            }
        }
    }

    private Past read(
            org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
            TopicPartition partition,
            long committed,
            long windowMillis) {
        long end = end(consumer, partition);
        List<PromptRecord> uncommitted =
                records(consumer, partition, committed, end).stream()
                        .limit(MOST_UNCOMMITTED)
                        .map(PromptChannel::prompt)
                        .toList();
        long since =
                (uncommitted.isEmpty()
                                ? System.currentTimeMillis() + clockOffset
                                : uncommitted.getFirst().appendTime())
                        - windowMillis;
        OffsetAndTimestamp from =
                consumer.offsetsForTimes(Map.of(partition, Math.max(0, since))).get(partition);
        List<PastPrompt> prompts = new ArrayList<>();
        if (from == null || from.offset() >= committed) {
            return new Past(uncommitted, prompts, end);
        }
        consumer.seek(partition, from.offset());
        while (!closed && consumer.position(partition) < committed) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                if (record.offset() < committed) {
                    prompt(record).ifPresent(prompts::add);
                }
            }
        }
        return new Past(uncommitted, prompts, end);
    }

    private long first(
            org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
            TopicPartition partition,
            long offset) {
        return records(consumer, partition, offset, end(consumer, partition)).stream()
                .findFirst()
                .map(ConsumerRecord::offset)
                .orElseGet(() -> consumer.position(partition));
    }

    private static long end(
            org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
            TopicPartition partition) {
        return consumer.endOffsets(Set.of(partition)).get(partition);
    }

    /// The record at this offset, or the next that is there before the end, and those that came
    /// with it.
    private List<ConsumerRecord<byte[], byte[]>> records(
            org.apache.kafka.clients.consumer.Consumer<byte[], byte[]> consumer,
            TopicPartition partition,
            long offset,
            long end) {
        consumer.seek(partition, offset);
        while (!closed && consumer.position(partition) < end) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
            if (!records.isEmpty()) {
                return records.records(partition);
            }
        }
        return List.of();
    }

    private static Optional<PastPrompt> prompt(ConsumerRecord<byte[], byte[]> record) {
        PromptRecord prompt = PromptChannel.prompt(record);
        return PromptParser.generationId(prompt)
                .map(id -> new PastPrompt(record.offset(), record.timestamp(), id));
    }

    void close() {
        closed = true;
    }
}
