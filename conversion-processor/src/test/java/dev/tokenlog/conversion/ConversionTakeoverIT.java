package dev.tokenlog.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ConversionResumed;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The packaged application as a process that is killed in the middle of a conversion.
class ConversionTakeoverIT {

    private static final int TENSORS = 6 * 9 + 2;

    /// A kill may come too late: the bundled model is small.
    private static final int TRIES = 8;

    @TempDir Path folder;

    @Test
    void killedWithMinus9AnotherProcessGoesOnToTheSameDigest() throws Exception {
        try (InProcessKafka kafka =
                InProcessKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin admin = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                admin.create(TopicLayout.EMBEDDED);
            }
            Topics topics = new Topics(kafka.bootstrapServers(), "");
            String interrupted = interruptOne(topics);

            Process second = start(topics);
            try {
                await().atMost(Duration.ofSeconds(90))
                        .until(() -> has(topics.events(interrupted), ConversionFinished.class));
                assertTold(topics.events(interrupted));
                await().atMost(Duration.ofSeconds(20))
                        .until(() ->
                                topics.committed()
                                        == topics.read(Topic.CONVERSION_REQUESTS).size());
            } finally {
                second.destroy();
                assertThat(second.waitFor(10, TimeUnit.SECONDS)).as("ends by SIGTERM").isTrue();
            }
        }
    }

    /// @return the id of a conversion that has begun and has no end
    private String interruptOne(Topics topics) throws Exception {
        for (int i = 1; i <= TRIES; i++) {
            String id = "conversion-" + i;
            topics.send(
                    new ConversionRequested(
                            id, "demo", DemoModel.folder().toString(), null, null, "test"));
            Process first = start(topics);
            await().atMost(Duration.ofSeconds(90))
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> has(topics.events(id), TensorConverted.class));
            first.destroyForcibly().waitFor();
            if (!has(topics.events(id), ConversionFinished.class)) {
                return id;
            }
        }
        return fail("no conversion was killed in its middle in " + TRIES + " tries");
    }

    private Process start(Topics topics) throws IOException {
        Path runner = Path.of("target/quarkus-app/quarkus-run.jar").toAbsolutePath();
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Dkafka.bootstrap.servers=" + topics.bootstrapServers(),
                        "-Dtokenlog.data=" + folder.resolve("data"),
                        "-Dtokenlog.conversion.threads=1",
                        "-jar",
                        runner.toString())
                .redirectErrorStream(true)
                .redirectOutput(
                        ProcessBuilder.Redirect.appendTo(
                                Path.of("target/conversion-takeover.log").toFile()))
                .start();
    }

    private void assertTold(List<ConversionEvent> events) {
        assertThat(events).filteredOn(ConversionAccepted.class::isInstance).hasSize(1);
        assertThat(events).filteredOn(SourceResolved.class::isInstance).hasSize(1);
        assertThat(events).filteredOn(ConversionResumed.class::isInstance).hasSize(1);
        assertThat(events)
                .filteredOn(TensorConverted.class::isInstance)
                .extracting(event -> ((TensorConverted) event).number())
                .hasSize(TENSORS)
                .doesNotHaveDuplicates();
        assertThat(events.getLast())
                .isInstanceOfSatisfying(
                        ConversionFinished.class,
                        finished ->
                                assertThat(finished.modelDigest()).isEqualTo(undisturbedDigest()));
    }

    private String undisturbedDigest() {
        try (SourceModel source = SourceModel.open(DemoModel.folder());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT4),
                                        new ArtifactStore(folder.resolve("undisturbed")),
                                        new ConversionListener() {})) {
            return artifact.manifest().modelDigest();
        }
    }

    private static boolean has(List<ConversionEvent> events, Class<?> type) {
        return events.stream().anyMatch(type::isInstance);
    }
}
