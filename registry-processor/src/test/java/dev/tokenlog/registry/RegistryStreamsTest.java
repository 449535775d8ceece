package dev.tokenlog.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The registry's life on a cluster that is not ready.
class RegistryStreamsTest {

    @TempDir Path folder;

    private record Settings(
            int replication,
            Duration commitInterval,
            Duration usageCommitInterval,
            Duration sessionTimeout,
            Duration retryInterval)
            implements RegistryConfig {}

    @Test
    void waitsForTheClusterAndItsTopicsAndSaysSo() throws Exception {
        Map<String, Object> nowhere = Map.of("bootstrap.servers", "127.0.0.1:1");
        RegistryStreams lost = registry(nowhere);
        lost.start();
        await().atMost(Duration.ofSeconds(30))
                .until(() -> lost.status().detail().contains("no answer"));
        lost.stop();
        assertThat(lost.status().running()).isFalse();

        try (InProcessKafka kafka =
                InProcessKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            RegistryStreams streams = registry(settings);
            streams.start();
            await().atMost(Duration.ofSeconds(30))
                    .until(() -> streams.status().detail().contains("topics are missing"));

            try (TopicAdmin admin = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                admin.create(TopicLayout.EMBEDDED);
            }
            await().atMost(Duration.ofSeconds(30)).until(() -> streams.status().running());
            streams.stop();
            assertThat(streams.status()).isEqualTo(new RegistryStreams.Status(false, "stopped"));
        }
    }

    private RegistryStreams registry(Map<String, Object> kafka) {
        return new RegistryStreams(
                StreamsApplication.REGISTRY,
                new RegistrySettings(
                        kafka,
                        "",
                        folder.resolve("data"),
                        new Settings(
                                -1,
                                Duration.ofMillis(50),
                                Duration.ofMillis(200),
                                Duration.ofSeconds(6),
                                Duration.ofMillis(200))));
    }
}
