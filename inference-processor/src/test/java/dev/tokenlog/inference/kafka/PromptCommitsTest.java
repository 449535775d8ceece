package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.Topic;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Leaving the group, at a real broker.
class PromptCommitsTest {

    private static final String GROUP = "leaving";
    private static final String TOPIC = Topic.PROMPTS.name("t-");
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration A_WHILE = Duration.ofSeconds(2);

    private final BrokerResource broker = new BrokerResource();
    private KafkaConsumer<byte[], byte[]> consumer;
    private Admin admin;

    @BeforeEach
    void connect() {
        String servers = broker.start().get("kafka.bootstrap.servers");
        admin = Admin.create(Map.of("bootstrap.servers", servers));
        consumer =
                new KafkaConsumer<>(
                        Map.of(
                                "bootstrap.servers",
                                servers,
                                "group.id",
                                GROUP,
                                "group.protocol",
                                "consumer",
                                "enable.auto.commit",
                                false),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
    }

    @AfterEach
    void disconnect() {
        consumer.close();
        admin.close();
        broker.stop();
    }

    /// With its last commits, and for good: it goes on polling until its process has ended.
    @Test
    void whoHasLeftDoesNotComeBack() throws Exception {
        consumer.subscribe(List.of(TOPIC), new Listener());
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (consumer.assignment().size() < 2 && System.nanoTime() < end) {
            consumer.poll(Duration.ofMillis(20));
        }
        Map<Integer, Commit> last = Map.of(0, new Commit(7, 3));

        PromptCommits.leaveNow(consumer, TOPIC, last);

        end = System.nanoTime() + A_WHILE.toNanos();
        while (System.nanoTime() < end) {
            assertThat(consumer.poll(Duration.ofMillis(20))).isEmpty();
        }
        assertThat(
                        admin.describeConsumerGroups(List.of(GROUP))
                                .describedGroups()
                                .get(GROUP)
                                .get()
                                .members())
                .isEmpty();
        assertThat(
                        admin.listConsumerGroupOffsets(GROUP)
                                .partitionsToOffsetAndMetadata()
                                .get()
                                .get(new TopicPartition(TOPIC, 0))
                                .offset())
                .isEqualTo(7);
    }

    private static final class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
    }
}
