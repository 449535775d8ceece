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
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.Topic;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
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
        Topics topics = new Topics(bootstrapServers, KafkaResource.PREFIX);
        topics.send("no json".getBytes(StandardCharsets.UTF_8));
        topics.send(new ConversionCancelRequested("before", "alice"));
        topics.send(request("before", DemoModel.folder()));
        topics.send(request("missing", Path.of("/nothing/here")));
        topics.send(request("whole", DemoModel.folder()));
        topics.send(request("whole", DemoModel.folder()));

        await().atMost(Duration.ofSeconds(60))
                .until(() ->
                        topics.events("whole").stream()
                                .anyMatch(ConversionFinished.class::isInstance));
        await().atMost(Duration.ofSeconds(20)).until(() -> topics.committed() == 6);

        assertThat(topics.events("before"))
                .containsExactly(new ConversionCancelled("before", "alice"));
        assertThat(topics.events("missing").getLast())
                .isInstanceOfSatisfying(
                        ConversionFailed.class,
                        failed -> assertThat(failed.code()).isEqualTo(ErrorCode.SOURCE_NOT_FOUND));
        List<ConversionEvent> whole = topics.events("whole");
        assertThat(whole).filteredOn(ConversionFinished.class::isInstance).hasSize(1);
        ConversionEvent published = whole.get(whole.size() - 2);
        assertThat(published).isInstanceOf(ManifestPublished.class);

        List<ConsumerRecord<byte[], byte[]>> manifests = topics.read(Topic.MODEL_MANIFESTS);
        assertThat(manifests).hasSize(1);
        assertThat(manifests.getFirst().key()).asString().isEqualTo("demo");
        assertThat(EventHeaders.text(manifests.getFirst().headers(), "x-team")).contains("blue");
        assertThat(EventJson.read(manifests.getFirst().value(), ModelManifest.class).modelDigest())
                .isEqualTo(((ManifestPublished) published).modelDigest());

        List<ConsumerRecord<byte[], byte[]>> letters = topics.read(Topic.DEAD_LETTERS);
        assertThat(letters).hasSize(1);
        assertThat(letters.getFirst().value()).asString().isEqualTo("no json");
        DeadLetter letter = DeadLetter.of(letters.getFirst().headers()).orElseThrow();
        assertThat(letter.reason()).isEqualTo(ErrorCode.UNREADABLE);
        assertThat(letter.topic()).isEqualTo(KafkaResource.PREFIX + "conversion-requests");
        assertThat(letter.offset()).isZero();
    }

    private static ConversionRequested request(String id, Path source) {
        return new ConversionRequested(id, "demo", source.toString(), null, null, "test");
    }
}
