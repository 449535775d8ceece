package dev.tokenlog.validation;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/// A real broker with all topics, and an empty data folder, for a Quarkus test.
public final class KafkaResource implements QuarkusTestResourceLifecycleManager {

    static final String PREFIX = "it.";

    private InProcessKafka kafka;

    @Override
    public Map<String, String> start() {
        Path folder;
        try {
            folder = Files.createTempDirectory(Path.of("target"), "validation-it");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        kafka = InProcessKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")));
        Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
        try (TopicAdmin admin = TopicAdmin.connect(settings, PREFIX, Duration.ofSeconds(20))) {
            admin.create(TopicLayout.EMBEDDED);
        }
        return Map.of(
                "kafka.bootstrap.servers",
                kafka.bootstrapServers(),
                "tokenlog.topic-prefix",
                PREFIX,
                "tokenlog.data",
                folder.toAbsolutePath().toString(),
                "tokenlog.validation.tokens",
                "800");
    }

    @Override
    public void stop() {
        if (kafka != null) {
            kafka.close();
        }
    }
}
