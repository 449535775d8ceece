package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.Assignment;
import dev.tokenlog.inference.protocol.PromptRecord;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import io.smallrye.reactive.messaging.kafka.KafkaConsumerRebalanceListener;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.eclipse.microprofile.reactive.messaging.Acknowledgment;
import org.eclipse.microprofile.reactive.messaging.Incoming;
import org.jboss.logging.Logger;

/// The stream of prompts and the partitions that the group gives and takes.
///
/// Rebalances are told on the polling thread, and the group waits for them: assignment only notes
/// what was committed; revocation waits, for a while, until generations are handed over.
@ApplicationScoped
@Identifier(PromptChannel.NAME)
public class PromptChannel implements KafkaConsumerRebalanceListener {

    static final String NAME = "inference-prompts";

    private static final Logger LOG = Logger.getLogger(PromptChannel.class);

    private static final Duration COMMIT_TIMEOUT = Duration.ofSeconds(3);

    private final InferenceWorker worker;

    PromptChannel(InferenceWorker worker) {
        this.worker = worker;
    }

    /// Completed when the worker has room for another prompt; until then none is asked for.
    @Incoming(NAME)
    @Acknowledgment(Acknowledgment.Strategy.NONE)
    CompletionStage<Void> prompt(IncomingKafkaRecord<byte[], byte[]> message) {
        return worker.prompt(
                new PromptRecord(
                        message.getPartition(),
                        message.getOffset(),
                        message.getTimestamp().toEpochMilli(),
                        message.getKey(),
                        message.getPayload(),
                        new RecordHeaders(message.getHeaders())));
    }

    static PromptRecord prompt(ConsumerRecord<byte[], byte[]> record) {
        return new PromptRecord(
                record.partition(),
                record.offset(),
                record.timestamp(),
                record.key(),
                record.value(),
                record.headers());
    }

    @Override
    public void onPartitionsAssigned(
            Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        if (partitions.isEmpty()) {
            return;
        }
        Map<TopicPartition, OffsetAndMetadata> committed =
                answered(() -> consumer.committed(new HashSet<>(partitions)));
        Map<TopicPartition, Long> starts = starts(partitions);
        List<Assignment> assignments = new ArrayList<>();
        for (TopicPartition partition : partitions) {
            assignments.add(
                    assignment(
                            partition,
                            committed.get(partition),
                            starts.getOrDefault(partition, 0L)));
        }
        LOG.infof("assigned %s", assignments);
        worker.assigned(assignments);
        if (numbers(partitions).contains(ControlLetters.PARTITION)) {
            TopicPartition controls = worker.controls();
            OffsetAndMetadata told =
                    answered(() -> consumer.committed(Set.of(controls))).get(controls);
            worker.controlsAssigned(told == null ? 0 : told.offset());
        }
    }

    /// Not by the channel's consumer: its answer would wait for a fetch that finds nothing. A
    /// partition whose leader is away must not keep the others, so it is asked once.
    private Map<TopicPartition, Long> starts(Collection<TopicPartition> partitions) {
        try {
            return worker.beginnings(partitions);
        } catch (RetriableException e) {
            LOG.warnf(
                    "where %s begin is not known, nor whether prompts were deleted that nobody has"
                            + " answered: %s",
                    partitions, e);
            return Map.of();
        }
    }

    /// Asks until there is an answer: a listener that fails is not told again, the group takes its
    /// partitions for served, and nobody would serve them. For questions to the channel's consumer
    /// alone: who leaves wakes that.
    static <T> T answered(Supplier<T> question) {
        while (true) {
            try {
                return question.get();
            } catch (RetriableException e) {
                LOG.warnf("assigned, but the cluster does not answer; asked again: %s", e);
            }
        }
    }

    private static Assignment assignment(
            TopicPartition partition, OffsetAndMetadata committed, long start) {
        long first = committed == null ? 0 : committed.offset();
        return new Assignment(
                partition.partition(),
                Math.max(first, start),
                committed == null
                        ? OptionalLong.empty()
                        : Commit.safeBeginning(committed.metadata()),
                start > first ? OptionalLong.of(first) : OptionalLong.empty());
    }

    @Override
    public void onPartitionsRevoked(
            Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        if (partitions.isEmpty()) {
            return;
        }
        LOG.infof("revoked %s", partitions);
        Map<Integer, Commit> last = worker.revoked(numbers(partitions));
        Map<TopicPartition, OffsetAndMetadata> commits = new HashMap<>();
        for (TopicPartition partition : partitions) {
            Commit commit = last.get(partition.partition());
            if (commit != null) {
                commits.put(partition, PromptCommits.offset(commit));
            }
        }
        try {
            if (!commits.isEmpty()) {
                consumer.commitSync(commits, COMMIT_TIMEOUT);
            }
        } catch (KafkaException e) {
            // The next owner reads a little more of the log; nothing is lost.
            LOG.infof("last commit of %s refused: %s", commits.keySet(), e.toString());
        }
    }

    @Override
    public void onPartitionsLost(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        LOG.infof("lost %s", partitions);
        worker.lost(numbers(partitions));
    }

    private static List<Integer> numbers(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::partition).toList();
    }
}
