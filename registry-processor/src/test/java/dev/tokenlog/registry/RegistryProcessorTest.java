package dev.tokenlog.registry;

import static dev.tokenlog.registry.Samples.A;
import static dev.tokenlog.registry.Samples.B;
import static dev.tokenlog.registry.Samples.C;
import static dev.tokenlog.registry.Samples.finished;
import static dev.tokenlog.registry.Samples.manifest;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.ModelServing.State;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.RegistryCommand.RevokeRequested;
import dev.tokenlog.contracts.RegistryCommand.RollbackRequested;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.Usage;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;
import org.junit.jupiter.api.Test;

/// The application as it is, on a real broker, through its topics.
@QuarkusTest
@QuarkusTestResource(KafkaResource.class)
class RegistryProcessorTest {

    @ConfigProperty(name = "kafka.bootstrap.servers")
    String bootstrapServers;

    @Inject RegistryStreams streams;
    @Inject @Readiness RegistryReadiness readiness;

    @TestHTTPResource("/q/metrics")
    URI metrics;

    @Test
    void servesWhatPassedAndKnowsItsHistoryAfterARestart() throws Exception {
        send(Topic.MODEL_MANIFESTS, manifest("demo", A, "c1"));
        send(Topic.ACCURACY_METRICS, "no json".getBytes(StandardCharsets.UTF_8));
        send(Topic.ACCURACY_METRICS, finished(A, Verdict.PASS, null, null));
        awaitCurrent(A);
        send(Topic.MODEL_MANIFESTS, manifest("demo", B, "c2"));
        send(Topic.ACCURACY_METRICS, finished(B, Verdict.PASS, null, null));
        awaitCurrent(B);
        assertThat(readiness.call().getStatus()).isEqualTo(HealthCheckResponse.Status.UP);

        streams.stop();
        assertThat(readiness.call().getStatus()).isEqualTo(HealthCheckResponse.Status.DOWN);
        send(Topic.REGISTRY_COMMANDS, new RollbackRequested("demo", "op"));
        streams.start();
        awaitCurrent(A);

        assertThat(servings("demo"))
                .extracting(ModelServing::state)
                .containsExactly(
                        State.CANDIDATE,
                        State.SERVING,
                        State.SERVING,
                        State.SERVING,
                        State.SERVING);
        List<ConsumerRecord<byte[], byte[]>> letters = read(Topic.DEAD_LETTERS);
        assertThat(letters).hasSize(1);
        assertThat(DeadLetter.of(letters.getFirst().headers()).orElseThrow().reason())
                .isEqualTo(ErrorCode.UNREADABLE);
    }

    @Test
    void tellsWhatWasUsed() throws Exception {
        send(
                Topic.PROMPTS,
                PromptSubmitted.ofText("used", "x").generationId("u").maxTokens(9).build());
        send(Topic.TOKENS, new GenerationStarted("u", 1, "used", A, "n", null, null, 0L, "h", "w"));
        send(
                Topic.TOKENS,
                new GenerationFinished("u", 0L, 1, "stop", null, new TokenUsage(4, 7), "h", null));
        await().atMost(Duration.ofSeconds(40))
                .untilAsserted(() -> {
                    // A new minute may have begun between prompt and end.
                    Usage last = null;
                    for (ConsumerRecord<byte[], byte[]> record : read(Topic.USAGE)) {
                        Usage usage = EventJson.read(record.value(), Usage.class);
                        last = usage.modelId().equals("used") ? usage : last;
                    }
                    assertThat(last).isNotNull();
                    assertThat(last.generations()).isEqualTo(1);
                    assertThat(last.completionTokens()).isEqualTo(7);
                    assertThat(last.debtTokens()).isZero();
                });
        whatIsOwedIsThereInNumbers();
    }

    /// As a scraper does: over HTTP/1.1, with a limit of its own, so that a page that does not come
    /// is told from numbers that do not.
    private String scrape() throws IOException, InterruptedException {
        HttpRequest page = HttpRequest.newBuilder(metrics).timeout(Duration.ofSeconds(10)).build();
        try (HttpClient scraper =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            return scraper.send(page, HttpResponse.BodyHandlers.ofString()).body();
        }
    }

    private void whatIsOwedIsThereInNumbers() throws Exception {
        send(
                Topic.PROMPTS,
                PromptSubmitted.ofText("owing", "x").generationId("o").maxTokens(900).build());
        await().atMost(Duration.ofSeconds(40))
                .untilAsserted(() -> {
                    String page = scrape();
                    assertThat(page)
                            .contains("tokenlog_streams_running{application=\"registry\"}")
                            .contains("tokenlog_streams_running{application=\"usage\"} 1.0")
                            .containsPattern(
                                    "tokenlog_usage_debt_tokens\\{model=\"owing\"\\} 9\\d\\d\\.0");
                });
    }

    @Test
    void aRevocationIsServedWithWhoWhyAndHow() throws Exception {
        send(Topic.MODEL_MANIFESTS, manifest("revoked", C, "c3"));
        send(
                Topic.REGISTRY_COMMANDS,
                new RevokeRequested("revoked", C, "leaks", "anna", Drain.STOP));
        await().atMost(Duration.ofSeconds(40))
                .untilAsserted(() -> {
                    ModelServing.Version version = latest("revoked").versions().getLast();
                    assertThat(version.state()).isEqualTo(State.REVOKED);
                    assertThat(version.reason()).isEqualTo("leaks");
                    assertThat(version.revokedBy()).isEqualTo("anna");
                    assertThat(version.drain()).isEqualTo(Drain.STOP);
                });
    }

    private void awaitCurrent(String digest) {
        await().atMost(Duration.ofSeconds(40))
                .untilAsserted(() ->
                        assertThat(latest("demo").current())
                                .isNotNull()
                                .extracting(ModelServing.Version::modelDigest)
                                .isEqualTo(digest));
    }

    private ModelServing latest(String modelId) {
        List<ModelServing> servings = servings(modelId);
        // An assertion, which is waited for, and no exception, which would end the wait.
        assertThat(servings).as(modelId).isNotEmpty();
        return servings.getLast();
    }

    private List<ModelServing> servings(String modelId) {
        return read(Topic.MODEL_REGISTRY).stream()
                .map(record -> Samples.serving(record.value()))
                .filter(serving -> serving.modelId().equals(modelId))
                .toList();
    }

    private void send(Topic topic, Event event) throws ExecutionException, InterruptedException {
        send(topic, EventJson.write(event));
    }

    private void send(Topic topic, byte[] value) throws ExecutionException, InterruptedException {
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

    /// Whatever is committed, in order.
    private List<ConsumerRecord<byte[], byte[]>> read(Topic topic) {
        TopicPartition partition = new TopicPartition(topic.name(KafkaResource.PREFIX), 0);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(
                        Map.of(
                                "bootstrap.servers",
                                bootstrapServers,
                                "isolation.level",
                                "read_committed"),
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
