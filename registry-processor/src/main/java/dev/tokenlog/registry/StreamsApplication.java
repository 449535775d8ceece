package dev.tokenlog.registry;

import dev.tokenlog.contracts.Topic;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.streams.Topology;

/// What this processor runs, each for itself.
enum StreamsApplication {
    /// What may be served.
    REGISTRY,
    /// What was used. Its name begins with the registry's, so that one access rule covers both.
    USAGE;

    String idWithoutPrefix() {
        return switch (this) {
            case REGISTRY -> "tokenlog-registry";
            case USAGE -> "tokenlog-registry-usage";
        };
    }

    Topology topology(String prefix) {
        return switch (this) {
            case REGISTRY -> RegistryTopology.build(prefix);
            case USAGE -> UsageTopology.build(prefix);
        };
    }

    /// Topics that must be there.
    List<Topic> topics() {
        return switch (this) {
            case REGISTRY ->
                    Stream.concat(
                                    RegistryTopology.INPUTS.stream(),
                                    Stream.of(Topic.MODEL_REGISTRY, Topic.DEAD_LETTERS))
                            .toList();
            case USAGE ->
                    Stream.concat(UsageTopology.INPUTS.stream(), Stream.of(Topic.USAGE)).toList();
        };
    }

    Duration commitInterval(RegistryConfig config) {
        return switch (this) {
            case REGISTRY -> config.commitInterval();
            case USAGE -> config.usageCommitInterval();
        };
    }
}
