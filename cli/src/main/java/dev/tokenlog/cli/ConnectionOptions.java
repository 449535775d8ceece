package dev.tokenlog.cli;

import dev.tokenlog.client.ClientOptions;
import dev.tokenlog.client.LocalPlatform;
import dev.tokenlog.client.TokenlogClient;
import java.io.IOException;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import picocli.CommandLine.Option;

/// How commands find the platform's Kafka. What is not said comes from the settings file, then from
/// the platform that runs on the data folder, then from the defaults.
final class ConnectionOptions {

    private static final String BOOTSTRAP = "bootstrap.servers";
    private static final String DEFAULT_BOOTSTRAP = "127.0.0.1:9092";

    /// Cluster calls are quick or hopeless; `--timeout` is about waiting for events.
    private static final Duration LONGEST_CALL = Duration.ofSeconds(20);

    private static final int CONNECT_MILLIS = 3_000;

    @Option(
            names = "--bootstrap",
            paramLabel = "HOST:PORT",
            description =
                    "Kafka's address (default: that of a running 'tokenlog up', else 127.0.0.1:9092).")
    private String bootstrap;

    @Option(
            names = "--properties",
            paramLabel = "FILE",
            description = "Kafka client settings: TLS, SASL.")
    private Path properties;

    @Option(
            names = "--topic-prefix",
            paramLabel = "TEXT",
            description = "What all topic names begin with.")
    private String topicPrefix;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            defaultValue = "60",
            description = "How long nothing may come before it counts as failed (default: 60).")
    private int timeoutSeconds;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder of a running 'tokenlog up' to speak to.")
    private Path data;

    Path data() {
        return dataFolder(data);
    }

    /// Where a command must find a broker.
    ///
    /// @param kafka client settings, `bootstrap.servers` included
    record Target(Map<String, Object> kafka, String topicPrefix) {
        String bootstrapServers() {
            return kafka.get(BOOTSTRAP).toString();
        }
    }

    Target target() {
        Map<String, Object> kafka = new HashMap<>(settings());
        Optional<LocalPlatform> local = local();
        if (bootstrap != null) {
            kafka.put(BOOTSTRAP, bootstrap);
        } else if (!kafka.containsKey(BOOTSTRAP)) {
            if (data != null && local.isEmpty()) {
                // The default address would speak to some other platform, or wait for none.
                throw CommandFailure.environment(
                        "no platform runs on %1$s: start it with 'tokenlog up --data %1$s', or name one with --bootstrap"
                                .formatted(dataFolder(data)));
            }
            kafka.put(
                    BOOTSTRAP,
                    local.map(LocalPlatform::bootstrapServers).orElse(DEFAULT_BOOTSTRAP));
        }
        String prefix =
                topicPrefix != null
                        ? topicPrefix
                        : local.filter(p -> p.bootstrapServers().equals(kafka.get(BOOTSTRAP)))
                                .map(LocalPlatform::topicPrefix)
                                .orElse("");
        return new Target(kafka, prefix);
    }

    /// @throws CommandFailure at once if nobody listens there
    Target reachableTarget() {
        Target target = target();
        requireListener(target.bootstrapServers());
        return target;
    }

    TokenlogClient connect() {
        Duration timeout = callTimeout();
        Target target = reachableTarget();
        return TokenlogClient.connect(
                ClientOptions.of(target.kafka(), target.topicPrefix()).withTimeout(timeout));
    }

    /// How long a stream may be silent.
    Duration timeout() {
        if (timeoutSeconds <= 0) {
            throw CommandFailure.usage("--timeout must be at least 1 second");
        }
        return Duration.ofSeconds(timeoutSeconds);
    }

    Duration callTimeout() {
        return timeout().compareTo(LONGEST_CALL) < 0 ? timeout() : LONGEST_CALL;
    }

    /// A wildcard client would try for as long as its timeout says; a refused connection is known
    /// at once.
    private static void requireListener(String servers) {
        String reason = "no address in '" + servers + "'";
        for (String server : servers.split(",")) {
            int colon = server.lastIndexOf(':');
            String port = server.substring(colon + 1).strip();
            if (colon < 1 || !port.matches("[0-9]{1,5}") || Integer.parseInt(port) > 65535) {
                throw CommandFailure.usage("--bootstrap %s: expected HOST:PORT".formatted(server));
            }
            String host = server.substring(0, colon).strip();
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, Integer.parseInt(port)), CONNECT_MILLIS);
                return;
            } catch (IOException e) {
                reason = e.getMessage();
            }
        }
        throw CommandFailure.environment(
                "no Kafka broker at %s (%s): start a platform with 'tokenlog up', or name one with --bootstrap"
                        .formatted(servers, reason));
    }

    private Map<String, String> settings() {
        Map<String, String> settings = new HashMap<>();
        if (properties != null) {
            Properties read = new Properties();
            try (Reader reader = Files.newBufferedReader(properties)) {
                read.load(reader);
            } catch (IOException | IllegalArgumentException e) {
                throw new CommandFailure(
                        ExitStatus.USAGE,
                        "--properties %s cannot be read: %s".formatted(properties, e.getMessage()),
                        e);
            }
            read.stringPropertyNames().forEach(name -> settings.put(name, read.getProperty(name)));
        }
        return settings;
    }

    private Optional<LocalPlatform> local() {
        try {
            return LocalPlatform.running(dataFolder(data));
        } catch (IOException e) {
            throw new CommandFailure(ExitStatus.ENVIRONMENT, e.getMessage(), e);
        }
    }

    static Path dataFolder(Path given) {
        return given != null
                ? given.toAbsolutePath().normalize()
                : LocalPlatform.home(System.getenv(), Path.of(System.getProperty("user.home")));
    }
}
