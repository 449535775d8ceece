package dev.tokenlog.client;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.embeddedkafka.InProcessKafka;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/// One real broker for all tests of this module, in this JVM; a test has topics of its own by their
/// prefix.
final class Broker {

    private static final AtomicInteger PREFIXES = new AtomicInteger();

    private static Broker running;

    private final InProcessKafka kafka;

    private Broker(InProcessKafka kafka) {
        this.kafka = kafka;
    }

    static synchronized Broker shared() {
        if (running == null) {
            Path folder = temporaryFolder();
            InProcessKafka kafka = InProcessKafka.start(EmbeddedKafkaOptions.in(folder));
            running = new Broker(kafka);
            Runtime.getRuntime()
                    .addShutdownHook(
                            new Thread(() -> {
                                kafka.close();
                                delete(folder);
                            }));
        }
        return running;
    }

    Map<String, Object> settings() {
        return Map.of("bootstrap.servers", kafka.bootstrapServers());
    }

    /// A prefix that no other test has.
    static String newPrefix() {
        return "t" + PREFIXES.incrementAndGet() + ".";
    }

    /// A prefix under which all topics exist.
    String newTopics() {
        String prefix = newPrefix();
        try (TopicAdmin admin = TopicAdmin.connect(settings(), prefix, Duration.ofSeconds(20))) {
            admin.create(TopicLayout.EMBEDDED);
        }
        return prefix;
    }

    private static Path temporaryFolder() {
        try {
            return Files.createTempDirectory("tokenlog-client-test");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
            for (Path file : all) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
