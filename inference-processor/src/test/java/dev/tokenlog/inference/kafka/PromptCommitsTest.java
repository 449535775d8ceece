package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.DOUBLE;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.Topic;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What the channel's consumer does at the edges of its life in the group, at a real broker.
class PromptCommitsTest {

    private static final String GROUP = "leaving";
    private static final String TOPIC = Topic.PROMPTS.name("t-");
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration A_WHILE = Duration.ofSeconds(2);

    private final BrokerResource broker = new BrokerResource();
    private KafkaConsumer<byte[], byte[]> consumer;
    private Admin admin;
    private boolean stopped;
    private String servers;

    @BeforeEach
    void connect() {
        servers = broker.start().get("kafka.bootstrap.servers");
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
                                false,
                                "auto.offset.reset",
                                "earliest",
                                "max.poll.records",
                                1),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer());
    }

    @AfterEach
    void disconnect() {
        consumer.close(CloseOptions.timeout(Duration.ZERO));
        admin.close(Duration.ZERO);
        if (!stopped) {
            broker.stop();
        }
    }

    /// What a worker may be about when it leaves.
    private enum Busy {
        IDLE,
        /// By the wake-up that is meant for its poll, and meets another call.
        WOKEN,
        /// With records that it has fetched and not been given.
        BEHIND,
        PAUSED
    }

    /// With its last commits, and for good: it goes on polling until its process has ended.
    @ParameterizedTest
    @EnumSource
    void whoHasLeftDoesNotComeBack(Busy busy) throws Exception {
        join();
        switch (busy) {
            case IDLE -> {}
            case WOKEN -> consumer.wakeup();
            case BEHIND -> fetchMoreThanOne();
            case PAUSED -> {
                fetchMoreThanOne();
                consumer.pause(consumer.assignment());
                consumer.poll(Duration.ZERO);
            }
        }
        Map<Integer, Commit> last = Map.of(0, new Commit(7, 3));

        PromptCommits.leaveNow(consumer, TOPIC, last);

        long end = System.nanoTime() + A_WHILE.toNanos();
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

    /// Kafka 4.2.1 turned in a circle then, on two threads (KAFKA-20253).
    @Test
    void whoseBrokerIsGoneWaits() {
        join();
        broker.stop();
        stopped = true;

        long end = System.nanoTime() + A_WHILE.toNanos();
        while (System.nanoTime() < end) {
            consumer.poll(Duration.ofMillis(20));
        }

        assertThat(consumer.metrics().values())
                .filteredOn(metric ->
                        metric.metricName().name().equals("time-between-network-thread-poll-avg"))
                .singleElement()
                .extracting(Metric::metricValue, DOUBLE)
                .as("milliseconds from one turn of the network thread to the next")
                .isGreaterThan(0.1);
    }

    /// And take one.
    private void fetchMoreThanOne() {
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        Map.of("bootstrap.servers", servers),
                        new ByteArraySerializer(),
                        new ByteArraySerializer())) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(TOPIC, i % 2, null, new byte[10]));
            }
        }
        await().atMost(PATIENCE).until(() -> !consumer.poll(Duration.ofMillis(20)).isEmpty());
    }

    private void join() {
        consumer.subscribe(List.of(TOPIC), new Listener());
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (consumer.assignment().size() < 2 && System.nanoTime() < end) {
            consumer.poll(Duration.ofMillis(20));
        }
        assertThat(consumer.assignment()).hasSize(2);
    }

    private static final class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
    }
}
