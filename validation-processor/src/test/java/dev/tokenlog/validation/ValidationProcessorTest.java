package dev.tokenlog.validation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.Rotation;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tensor.NumberCode;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The application as it is, with the real engine on the bundled model, through its topics.
@QuarkusTest
@QuarkusTestResource(KafkaResource.class)
class ValidationProcessorTest {

    @TempDir static Path folder;

    @ConfigProperty(name = "kafka.bootstrap.servers")
    String bootstrapServers;

    @Test
    void judgesTheBundledModelAtBothWidths() throws Exception {
        ModelManifest int4 = convert("four", NumberCode.INT4);
        ModelManifest int8 = convert("eight", NumberCode.INT8);

        send(Topic.MODEL_MANIFESTS, "no json".getBytes(StandardCharsets.UTF_8));
        send(Topic.MODEL_MANIFESTS, EventJson.write(int4));
        send(Topic.MODEL_MANIFESTS, EventJson.write(int8));
        ValidationFinished four = awaitVerdict("four", 1);
        ValidationFinished eight = awaitVerdict("eight", 1);

        assertThat(four.verdict()).as(four.message()).isEqualTo(Verdict.PASS);
        assertThat(eight.verdict()).as(eight.message()).isEqualTo(Verdict.PASS);
        assertThat(four.modelDigest()).isEqualTo(int4.modelDigest());
        assertThat(four.numericsId()).isEqualTo("cpu-2/kv16");
        assertThat(four.baselineNumericsId()).isEqualTo("float-1/kv32");
        assertThat(four.positions()).isGreaterThanOrEqualTo(800);
        assertThat(four.message()).contains("demo-model/heldout.jsonl");
        // reference.json: 1.664 over the whole text, and much less divergence at 8 bits.
        assertThat(four.baselinePerplexity()).isBetween(1.2, 2.2);
        assertThat(eight.meanKlDivergence()).isLessThan(four.meanKlDivergence() / 10);
        List<AccuracyMeasured> tensors =
                measured("four").stream()
                        .filter(m -> m.check().equals("tensor_relative_error"))
                        .toList();
        assertThat(tensors).hasSize(6 * 7 + 1);
        assertThat(tensors).allSatisfy(m -> assertThat(m.value()).isBetween(0.0, 0.15));
        assertThat(read(Topic.DEAD_LETTERS)).hasSize(1);
    }

    @Test
    void judgesARotatedModelAgainstTheRotatedSource() throws Exception {
        Recipe recipe = Recipe.of(NumberCode.INT4).rotated(Rotation.parse("hadamard:3"));
        send(Topic.MODEL_MANIFESTS, EventJson.write(convert("rotated", recipe)));
        ValidationFinished verdict = awaitVerdict("rotated", 1);

        assertThat(verdict.verdict()).as(verdict.message()).isEqualTo(Verdict.PASS);
        // One more than without: the head is not the embedding any more.
        assertThat(
                        measured("rotated").stream()
                                .filter(m -> m.check().equals("tensor_relative_error")))
                .hasSize(6 * 7 + 2)
                .allSatisfy(m -> assertThat(m.value()).isBetween(0.0, 0.15));
    }

    @Test
    void givesNoVerdictWithoutSourceOrWithAFlippedByte() throws Exception {
        ModelManifest manifest = convert("broken", NumberCode.INT4);
        send(Topic.MODEL_MANIFESTS, EventJson.write(withSource(manifest, "gone", "/nothing/here")));
        ValidationFinished gone = awaitVerdict("gone", 1);
        assertThat(gone.verdict()).isEqualTo(Verdict.NONE);
        assertThat(gone.code()).isEqualTo(ErrorCode.SOURCE_GONE);

        Path weights = Path.of(manifest.location()).resolve("weights-00001.safetensors");
        try (RandomAccessFile file = new RandomAccessFile(weights.toFile(), "rw")) {
            file.seek(file.length() / 2);
            int flipped = file.read() ^ 1;
            file.seek(file.length() / 2);
            file.write(flipped);
        }
        send(Topic.MODEL_MANIFESTS, EventJson.write(manifest));
        ValidationFinished broken = awaitVerdict("broken", 1);
        assertThat(broken.verdict()).isEqualTo(Verdict.NONE);
        assertThat(broken.code()).isEqualTo(ErrorCode.MODEL_UNREADABLE);

        request(new ValidationRequested("again", "broken", null, null, null, "test"));
        assertThat(awaitVerdict("broken", 2).validationId()).isEqualTo("again");
    }

    private static ModelManifest convert(String modelId, NumberCode code) throws IOException {
        return convert(modelId, Recipe.of(code));
    }

    private static ModelManifest convert(String modelId, Recipe recipe) throws IOException {
        NumberCode code = recipe.code();
        Path source = Path.of(System.getProperty("tokenlog.root")).resolve("demo-model/model");
        ArtifactStore store = new ArtifactStore(folder.resolve(modelId));
        try (SourceModel model = SourceModel.open(source);
                Artifact artifact =
                        new Converter(2)
                                .convert(model, recipe, store, new ConversionListener() {})) {
            return new ModelManifest(
                    modelId,
                    artifact.manifest().modelDigest(),
                    artifact.manifest().weightsDigest(),
                    artifact.manifestSha256(),
                    artifact.folder().toString(),
                    source.toString(),
                    "llama",
                    code.label(),
                    code.bits(),
                    code.bits() + 0.5,
                    5_000_000,
                    3_000_000,
                    56,
                    512,
                    "c",
                    "tokenlog-1",
                    null);
        }
    }

    private static ModelManifest withSource(ModelManifest m, String modelId, String source) {
        return new ModelManifest(
                modelId,
                m.modelDigest(),
                m.weightsDigest(),
                m.manifestSha256(),
                m.location(),
                source,
                m.family(),
                m.quantization(),
                m.bits(),
                m.bitsPerWeight(),
                m.parameters(),
                m.bytes(),
                m.tensors(),
                m.contextLength(),
                m.conversionId(),
                m.encoderVersion(),
                m.provenance());
    }

    private ValidationFinished awaitVerdict(String modelId, int number) {
        return await().atMost(Duration.ofSeconds(90))
                .until(
                        () ->
                                events().stream()
                                        .filter(ValidationFinished.class::isInstance)
                                        .map(ValidationFinished.class::cast)
                                        .filter(v -> v.modelId().equals(modelId))
                                        .skip(number - 1)
                                        .findFirst(),
                        Optional::isPresent)
                .get();
    }

    private List<AccuracyMeasured> measured(String modelId) throws UnreadableEventException {
        return events().stream()
                .filter(AccuracyMeasured.class::isInstance)
                .map(AccuracyMeasured.class::cast)
                .filter(m -> m.modelId().equals(modelId))
                .toList();
    }

    private List<AccuracyEvent> events() throws UnreadableEventException {
        List<AccuracyEvent> events = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : read(Topic.ACCURACY_METRICS)) {
            events.add(EventJson.read(record.headers(), record.value(), AccuracyEvent.class));
        }
        return events;
    }

    private void request(Event event) throws Exception {
        send(Topic.VALIDATION_REQUESTS, EventJson.write(event));
    }

    private void send(Topic topic, byte[] value) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        Map.of("bootstrap.servers", bootstrapServers),
                        new ByteArraySerializer(),
                        new ByteArraySerializer())) {
            producer.send(
                            new ProducerRecord<>(
                                    topic.name(KafkaResource.PREFIX), new byte[] {1}, value))
                    .get();
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> read(Topic topic) {
        TopicPartition partition = new TopicPartition(topic.name(KafkaResource.PREFIX), 0);
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
}
