package dev.tokenlog.embeddedkafka;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// How to run a broker.
///
/// @param dataDir everything the broker writes: its log segments, its `server.properties`, its
///   `broker.log`
/// @param port of the broker on the loopback interface; 0 picks a free one
/// @param settings Kafka broker settings that replace or extend ours (`server.properties` names)
/// @param classPath of the child process; empty: found from the running program
/// @param maxHeapMegabytes `-Xmx` of the child process
/// @param security empty: everybody on this machine may do everything
/// @param startTimeout how long a start may take before it counts as failed
/// @param member of which cluster; empty: it is one of its own
public record EmbeddedKafkaOptions(
        Path dataDir,
        int port,
        Map<String, String> settings,
        List<Path> classPath,
        int maxHeapMegabytes,
        Optional<BrokerSecurity> security,
        Duration startTimeout,
        Optional<ClusterMember> member) {

    /// Several start at once, and each waits for the others.
    private static final Duration MEMBER_START_TIMEOUT = Duration.ofMinutes(3);

    public EmbeddedKafkaOptions {
        dataDir = Objects.requireNonNull(dataDir, "dataDir").toAbsolutePath().normalize();
        settings = Map.copyOf(settings);
        classPath = List.copyOf(classPath);
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException("port must be 0 to 65535, was " + port);
        }
        if (maxHeapMegabytes < 64) {
            throw new IllegalArgumentException(
                    "a broker needs at least 64 MiB of heap, was " + maxHeapMegabytes);
        }
    }

    /// A broker on a free port with 256 MiB of heap.
    public static EmbeddedKafkaOptions in(Path dataDir) {
        return new EmbeddedKafkaOptions(
                dataDir,
                0,
                Map.of(),
                List.of(),
                256,
                Optional.empty(),
                Duration.ofSeconds(60),
                Optional.empty());
    }

    EmbeddedKafkaOptions withMember(ClusterMember newMember) {
        return new EmbeddedKafkaOptions(
                dataDir,
                port,
                settings,
                classPath,
                maxHeapMegabytes,
                security,
                MEMBER_START_TIMEOUT,
                Optional.of(newMember));
    }

    public EmbeddedKafkaOptions withPort(int newPort) {
        return new EmbeddedKafkaOptions(
                dataDir,
                newPort,
                settings,
                classPath,
                maxHeapMegabytes,
                security,
                startTimeout,
                member);
    }

    public EmbeddedKafkaOptions withSettings(Map<String, String> newSettings) {
        return new EmbeddedKafkaOptions(
                dataDir,
                port,
                newSettings,
                classPath,
                maxHeapMegabytes,
                security,
                startTimeout,
                member);
    }

    public EmbeddedKafkaOptions withSecurity(BrokerSecurity newSecurity) {
        return new EmbeddedKafkaOptions(
                dataDir,
                port,
                settings,
                classPath,
                maxHeapMegabytes,
                Optional.of(newSecurity),
                startTimeout,
                member);
    }
}
