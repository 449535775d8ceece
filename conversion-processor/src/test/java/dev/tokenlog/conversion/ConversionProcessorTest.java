package dev.tokenlog.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ManifestPublished;
import dev.tokenlog.contracts.ConversionRequest.ConversionCancelRequested;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.junit.jupiter.api.Test;

/// The application as it is, on a real broker, through its topics.
@QuarkusTest
@QuarkusTestResource(KafkaResource.class)
class ConversionProcessorTest {

    @ConfigProperty(name = "kafka.bootstrap.servers")
    String bootstrapServers;

    @Test
    void answersEveryKindOfRequestAndCommitsThem() throws Exception {
        Path missing = Path.of("/nothing/here");
        send("no json".getBytes(StandardCharsets.UTF_8));
        send(new ConversionCancelRequested("before", "alice"));
        send(request("before", DemoModel.folder()));
        send(request("missing", missing));
        send(request("whole", DemoModel.folder()));
        send(request("whole", DemoModel.folder()));

        await().atMost(Duration.ofSeconds(60))
                .until(() -> events().stream().anyMatch(ConversionFinished.class::isInstance));
        await().atMost(Duration.ofSeconds(20)).until(() -> committed() == 6);

        List<ConversionEvent> events = events();
        assertThat(of("before", events))
                .containsExactly(new ConversionCancelled("before", "alice"));
        assertThat(of("missing", events).getLast())
                .isInstanceOfSatisfying(
                        ConversionFailed.class,
                        failed -> assertThat(failed.code()).isEqualTo(ErrorCode.SOURCE_NOT_FOUND));
        assertThat(of("whole", events)).filteredOn(ConversionFinished.class::isInstance).hasSize(1);
        ConversionEvent published = of("whole", events).get(of("whole", events).size() - 2);
        assertThat(published).isInstanceOf(ManifestPublished.class);

        List<ConsumerRecord<byte[], byte[]>> manifests = read(Topic.MODEL_MANIFESTS);
        assertThat(manifests).hasSize(1);
        assertThat(manifests.getFirst().key()).asString().isEqualTo("demo");
        assertThat(EventHeaders.text(manifests.getFirst().headers(), "x-team")).contains("blue");
        assertThat(EventJson.read(manifests.getFirst().value(), ModelManifest.class).modelDigest())
                .isEqualTo(((ManifestPublished) published).modelDigest());

        List<ConsumerRecord<byte[], byte[]>> letters = read(Topic.DEAD_LETTERS);
        assertThat(letters).hasSize(1);
        assertThat(letters.getFirst().value()).asString().isEqualTo("no json");
        DeadLetter letter = DeadLetter.of(letters.getFirst().headers()).orElseThrow();
        assertThat(letter.reason()).isEqualTo(ErrorCode.UNREADABLE);
        assertThat(letter.topic()).isEqualTo(name(Topic.CONVERSION_REQUESTS));
        assertThat(letter.offset()).isZero();
    }

    private static ConversionRequested request(String id, Path source) {
        return new ConversionRequested(id, "demo", source.toString(), null, null, "test");
    }

    private void send(Event event) throws ExecutionException, InterruptedException {
        send(EventJson.write(event));
    }

    private void send(byte[] value) throws ExecutionException, InterruptedException {
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        Map.of("bootstrap.servers", bootstrapServers),
                        new ByteArraySerializer(),
                        new ByteArraySerializer())) {
            ProducerRecord<byte[], byte[]> record =
                    new ProducerRecord<>(name(Topic.CONVERSION_REQUESTS), value);
            EventHeaders.set(record.headers(), "x-team", "blue");
            producer.send(record).get();
        }
    }

    private List<ConversionEvent> events() throws UnreadableEventException {
        List<ConversionEvent> events = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : read(Topic.CONVERSION_EVENTS)) {
            events.add(EventJson.read(record.headers(), record.value(), ConversionEvent.class));
        }
        return events;
    }

    private static List<ConversionEvent> of(String id, List<ConversionEvent> events) {
        return events.stream().filter(e -> e.conversionId().equals(id)).toList();
    }

    private List<ConsumerRecord<byte[], byte[]>> read(Topic topic) {
        TopicPartition partition = new TopicPartition(name(topic), 0);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        Map.of("bootstrap.servers", bootstrapServers),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
        }
        return records;
    }

    private long committed() throws ExecutionException, InterruptedException {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers))) {
            var offsets =
                    admin.listConsumerGroupOffsets(KafkaResource.PREFIX + "tokenlog-conversion")
                            .partitionsToOffsetAndMetadata()
                            .get();
            var offset = offsets.get(new TopicPartition(name(Topic.CONVERSION_REQUESTS), 0));
            return offset == null ? -1 : offset.offset();
        }
    }

    private static String name(Topic topic) {
        return topic.name(KafkaResource.PREFIX);
    }
}
