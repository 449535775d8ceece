package dev.tokenlog.embeddedkafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InProcessKafkaTest {

    @TempDir static Path folder;

    private static InProcessKafka kafka;
    private static Records records;

    @BeforeAll
    static void start() {
        kafka = InProcessKafka.start(EmbeddedKafkaOptions.in(folder));
        records = new Records(kafka.bootstrapServers());
    }

    @AfterAll
    static void stop() {
        kafka.close();
    }

    @Test
    void groupTimesAreShortEnoughForAQuickTakeOver() throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        try (Admin admin = records.admin()) {
            var config =
                    admin.describeConfigs(List.of(broker))
                            .all()
                            .get(30, TimeUnit.SECONDS)
                            .get(broker);
            assertThat(config.get("group.consumer.session.timeout.ms").value()).isEqualTo("6000");
            assertThat(config.get("group.consumer.heartbeat.interval.ms").value()).isEqualTo("200");
        }
    }

    @Test
    void consumerGroupOfTheNewProtocolCommits() throws Exception {
        records.createTopic("grouped");
        records.write("grouped", "a", "b");
        Map<String, Object> settings =
                Map.of(
                        "bootstrap.servers", kafka.bootstrapServers(),
                        "group.id", "g",
                        "group.protocol", "consumer",
                        "auto.offset.reset", "earliest",
                        "enable.auto.commit", "false");
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("grouped"));
            int seen = 0;
            while (seen < 2) {
                seen += consumer.poll(Duration.ofMillis(200)).count();
            }
            consumer.commitSync();
        }
    }

    @Test
    void takesATransaction() throws Exception {
        records.createTopic("transacted");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(
                        Map.of(
                                "bootstrap.servers",
                                kafka.bootstrapServers(),
                                "transactional.id",
                                "x"),
                        new StringSerializer(),
                        new StringSerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("transacted", 0, "k", "v"));
            producer.commitTransaction();
        }
        assertThat(records.read("transacted")).containsExactly("v");
    }

    @Test
    void aMisspeltTopicIsNotCreated() {
        try (Admin admin = records.admin()) {
            assertThatThrownBy(() ->
                            admin.describeTopics(List.of("no-such-topic"))
                                    .allTopicNames()
                                    .get(30, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(UnknownTopicOrPartitionException.class);
        }
    }
}
