package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;

/// A real broker with Tokenlog's topics, two partitions of prompts.
public final class BrokerResource implements QuarkusTestResourceLifecycleManager {

    private Path folder;
    private EmbeddedKafka broker;

    @Override
    public Map<String, String> start() {
        try {
            folder = Files.createTempDirectory("inference-kafka");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        broker = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder));
        String servers = broker.bootstrapServers();
        try (TopicAdmin topics =
                TopicAdmin.connect(
                        Map.of("bootstrap.servers", servers), "t-", Duration.ofSeconds(20))) {
            topics.create(new TopicLayout(2, (short) 1));
        }
        return Map.of(
                "quarkus.http.test-port",
                "0",
                "kafka.bootstrap.servers",
                servers,
                "tokenlog.topic-prefix",
                "t-",
                "tokenlog.data",
                folder.toString());
    }

    @Override
    public void stop() {
        broker.close();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
