package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import io.smallrye.mutiny.Uni;
import io.smallrye.reactive.messaging.kafka.IncomingKafkaRecord;
import io.smallrye.reactive.messaging.kafka.KafkaConnectorIncomingConfiguration;
import io.smallrye.reactive.messaging.kafka.KafkaConsumer;
import io.smallrye.reactive.messaging.kafka.commit.KafkaCommitHandler;
import io.vertx.mutiny.core.Vertx;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.jboss.logging.Logger;

/// Commits for the channel of prompts what the protocol says, when it says so: acknowledging a
/// message does nothing, because a prompt is done only when its end has been read in `tokens`. The
/// connector's own strategies carry no metadata.
final class PromptCommits implements KafkaCommitHandler {

    /// Makes the handler of the channel and lets the worker have it.
    static final class Factory implements KafkaCommitHandler.Factory {

        private final Consumer<PromptCommits> created;

        Factory(Consumer<PromptCommits> created) {
            this.created = created;
        }

        @Override
        public KafkaCommitHandler create(
                KafkaConnectorIncomingConfiguration configuration,
                Vertx vertx,
                KafkaConsumer<?, ?> consumer,
                BiConsumer<Throwable, Boolean> reportFailure) {
            PromptCommits commits = new PromptCommits(consumer);
            created.accept(commits);
            return commits;
        }
    }

    private static final Logger LOG = Logger.getLogger(PromptCommits.class);
    private static final Duration LEAVE_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration SEEN = Duration.ofMillis(5);

    private final KafkaConsumer<?, ?> consumer;

    private PromptCommits(KafkaConsumer<?, ?> consumer) {
        this.consumer = consumer;
    }

    @Override
    public <K, V> Uni<Void> handle(IncomingKafkaRecord<K, V> record) {
        return Uni.createFrom().voidItem();
    }

    /// Commits on the polling thread, if the partition is assigned then.
    ///
    /// @param done whether the group accepted it; told on the polling thread
    void commit(TopicPartition partition, Commit commit, Consumer<Boolean> done) {
        consumer.runOnPollingThread(
                        kafka -> {
                            commitNow(kafka, partition, commit, done);
                        })
                .subscribe()
                .with(
                        _ -> {},
                        failure -> {
                            LOG.debugf("commit of %s not run: %s", partition, failure);
                            done.accept(false);
                        });
    }

    /// Commits a place in a partition that all members of the group read. Who commits is the
    /// protocol's care.
    void commitShared(TopicPartition partition, long offset) {
        consumer.runOnPollingThread(
                        kafka -> {
                            kafka.commitAsync(
                                    Map.of(partition, new OffsetAndMetadata(offset)),
                                    (_, failure) -> {
                                        if (failure != null) {
                                            LOG.infof(
                                                    "commit of %s refused: %s",
                                                    partition, failure.toString());
                                        }
                                    });
                        })
                .subscribe()
                .with(
                        _ -> {},
                        failure -> LOG.debugf("commit of %s not run: %s", partition, failure));
    }

    private static void commitNow(
            org.apache.kafka.clients.consumer.Consumer<?, ?> kafka,
            TopicPartition partition,
            Commit commit,
            Consumer<Boolean> done) {
        if (!kafka.assignment().contains(partition)) {
            done.accept(false);
            return;
        }
        try {
            kafka.commitAsync(
                    Map.of(partition, offset(commit)),
                    (_, failure) -> {
                        if (failure != null) {
                            LOG.infof("commit of %s refused: %s", partition, failure.toString());
                        }
                        done.accept(failure == null);
                    });
        } catch (KafkaException e) {
            LOG.infof("commit of %s refused: %s", partition, e.toString());
            done.accept(false);
        }
    }

    /// Commits what may be committed at last and leaves the group, all at once: others wait for the
    /// partitions, and the connector takes several polls to close. It goes on polling until then,
    /// and that needs something to poll from. The poll that is under way is not waited for.
    ///
    /// @param last by partition
    /// @param done told on the polling thread
    void leave(String topic, Map<Integer, Commit> last, Runnable done) {
        consumer.runOnPollingThread(
                        kafka -> {
                            try {
                                leaveNow(kafka, topic, last);
                            } catch (KafkaException e) {
                                // The next owner reads a little more of the log.
                                LOG.infof("left with difficulty: %s", e.toString());
                            }
                            done.run();
                        })
                .subscribe()
                .with(
                        _ -> {},
                        failure -> {
                            LOG.debugf("not left early: %s", failure);
                            done.run();
                        });
        consumer.unwrap().wakeup();
    }

    static void leaveNow(
            org.apache.kafka.clients.consumer.Consumer<?, ?> kafka,
            String topic,
            Map<Integer, Commit> last) {
        Set<TopicPartition> assigned = Set.copyOf(kafka.assignment());
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        last.forEach((partition, commit) -> {
            TopicPartition place = new TopicPartition(topic, partition);
            if (assigned.contains(place)) {
                offsets.put(place, offset(commit));
            }
        });
        boolean committed = false;
        try {
            if (!offsets.isEmpty()) {
                afterWakeup(() -> kafka.commitSync(offsets, LEAVE_TIMEOUT));
            }
            committed = true;
        } finally {
            leaveGroup(kafka);
            if (committed) {
                LOG.infof("left the group with its last commits: %s", offsets.keySet());
            }
            Set<TopicPartition> idle = Set.of(new TopicPartition(topic, 0));
            kafka.assign(idle);
            kafka.pause(idle);
        }
    }

    /// All has been handed over already. With a listener to tell, the client would wait 100 ms
    /// before it tells it and leaves (AsyncKafkaConsumer.processBackgroundEvents). The polls are
    /// for the subscription without one: what no poll has seen before the group is left would be
    /// taken for a wish to join it again, and one that finds records from before does not look.
    private static void leaveGroup(org.apache.kafka.clients.consumer.Consumer<?, ?> kafka) {
        Set<String> topics = Set.copyOf(kafka.subscription());
        if (!topics.isEmpty()) {
            kafka.subscribe(topics);
            see(kafka, Duration.ZERO);
            see(kafka, SEEN);
        }
        kafka.unsubscribe();
    }

    private static void see(
            org.apache.kafka.clients.consumer.Consumer<?, ?> kafka, Duration atMost) {
        try {
            afterWakeup(() -> kafka.poll(atMost));
        } catch (KafkaException e) {
            LOG.debugf("a poll of who leaves: %s", e.toString());
        }
    }

    /// Where no poll was under way, the wake-up meets the first call that may wait.
    private static void afterWakeup(Runnable call) {
        try {
            call.run();
        } catch (WakeupException e) {
            call.run();
        }
    }

    static OffsetAndMetadata offset(Commit commit) {
        return new OffsetAndMetadata(commit.offset(), commit.metadata());
    }
}
