package dev.tokenlog.standalone;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaException;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.transformer.KvBudget;
import io.quarkus.runtime.Quarkus;
import java.io.IOException;
import java.net.BindException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// In this order: data folder, broker, topics, processors. Each step needs the one before it, and
/// processors never see a cluster without topics.
@Command(
        name = "standalone",
        mixinStandardHelpOptions = true,
        description = "Runs the whole platform in this process until it is told to end.")
final class StandaloneCommand implements Callable<Integer> {

    private static final int USAGE = 2;

    /// What the environment lacks: `cli.md`, exit status 3.
    private static final int ENVIRONMENT = 3;

    private static final Duration ADMIN_TIMEOUT = Duration.ofSeconds(20);

    @Mixin private PlatformOptions options;

    @Override
    public Integer call() {
        Optional<String> mistake = options.mistake();
        if (mistake.isPresent()) {
            System.err.println("tokenlog: " + mistake.get());
            return USAGE;
        }
        try (PlatformFolder folder = PlatformFolder.open(options.dataFolder())) {
            PlatformEnd end = new PlatformEnd(folder.root());
            Runtime.getRuntime().addShutdownHook(new Thread(end, "platform-end"));
            if (options.endWithInput) {
                endWithInput();
            }
            KafkaSettings kafka = kafka(folder, end);
            prepareTopics(kafka);
            configuration(folder, kafka).forEach(System::setProperty);

            end.processorsStarted();
            int[] status = {0};
            // Without a handler of ours Quarkus would leave the JVM here, before the broker's end.
            Quarkus.run(
                    StandaloneApplication.class,
                    (code, problem) -> {
                        status[0] = problem == null ? code : ENVIRONMENT;
                        report(problem, folder);
                    });
            end.processorsStopped();
            end.run();
            return status[0];
        } catch (EmbeddedKafkaException e) {
            return refuse(
                    e.reason() == EmbeddedKafkaException.Reason.PORT_IN_USE
                            ? e.getMessage() + "; the option is --port"
                            : e.getMessage());
        } catch (TopicException e) {
            return refuse(
                    options.bootstrap == null
                            ? e.getMessage()
                            : "%s (--bootstrap %s)".formatted(e.getMessage(), options.bootstrap));
        } catch (PlatformException e) {
            return refuse(e.getMessage());
        }
    }

    private static int refuse(String message) {
        System.err.println("tokenlog: " + message.lines().findFirst().orElse(""));
        return ENVIRONMENT;
    }

    private KafkaSettings kafka(PlatformFolder folder, PlatformEnd end) {
        if (options.bootstrap != null) {
            return KafkaSettings.of(options.bootstrap, options.properties);
        }
        EmbeddedKafka broker =
                EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder.kafka()).withPort(options.port));
        end.closeLast(broker);
        return KafkaSettings.of(broker.bootstrapServers(), null);
    }

    private void prepareTopics(KafkaSettings kafka) {
        try (TopicAdmin topics =
                TopicAdmin.connect(kafka.client(), options.topicPrefix, ADMIN_TIMEOUT)) {
            topics.renew();
            // Another cluster's operator may have chosen other partition counts than our default.
            if (!topics.isUsable()) {
                topics.create(new TopicLayout(options.partitions, options.replication));
            }
        }
    }

    private Map<String, String> configuration(PlatformFolder folder, KafkaSettings kafka) {
        Map<String, String> configuration = new HashMap<>(kafka.configuration());
        configuration.put("tokenlog.data", folder.root().toString());
        configuration.put("tokenlog.artifacts", folder.artifacts().toString());
        // An empty value counts as a missing one, and a missing one as an error where it is asked
        // for.
        if (!options.topicPrefix.isEmpty()) {
            configuration.put("tokenlog.topic-prefix", options.topicPrefix);
        }
        if (options.kv != null) {
            configuration.put(KvType.KEY, options.kv);
        }
        if (options.kvBudget != null) {
            configuration.put(KvBudget.KEY, options.kvBudget);
        }
        configuration.put("quarkus.http.port", Integer.toString(options.httpPort));
        return configuration;
    }

    private static void report(Throwable problem, PlatformFolder folder) {
        if (problem == null) {
            return;
        }
        Throwable root = problem;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        // A configuration's problems stand in the lines after the first.
        String reason =
                String.valueOf(root.getMessage())
                        .lines()
                        .map(String::strip)
                        .filter(line -> !line.isEmpty())
                        .limit(3)
                        .collect(Collectors.joining(" "));
        String remedy = root instanceof BindException ? "; the option is --http-port" : "";
        System.err.printf(
                "tokenlog: the processors did not start: %s%s; the log is %s%n",
                reason, remedy, folder.log());
    }

    /// The life line of a child process: whatever becomes of the parent, its end of the pipe
    /// closes.
    private static void endWithInput() {
        Thread.ofPlatform()
                .daemon()
                .name("life-line")
                .start(() -> {
                    byte[] ignored = new byte[64];
                    try {
                        while (System.in.read(ignored) >= 0) {
                            // nothing is said this way but goodbye
                        }
                    } catch (IOException e) {
                        System.err.println("tokenlog: standard input: " + e.getMessage());
                    }
                    System.exit(0);
                });
    }
}
