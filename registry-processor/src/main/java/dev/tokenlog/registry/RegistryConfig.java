package dev.tokenlog.registry;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;

/// Settings of the registry processor alone. Connection and security come from `kafka.*`; the
/// prefix of topics and the data folder (`tokenlog.topic-prefix`, `tokenlog.data`) are shared by
/// all processors.
@ConfigMapping(prefix = "tokenlog.registry")
public interface RegistryConfig {

    /// Copies of the topology's own topic (the changelog of its state); -1: as many as the cluster
    /// gives a topic by default.
    @WithDefault("-1")
    int replication();

    /// How often results are committed: the longest that a change waits before readers see it.
    @WithDefault("50ms")
    Duration commitInterval();

    /// The same for usage, whose topology reads every record of `tokens`.
    @WithDefault("1s")
    Duration usageCommitInterval();

    /// How soon a registry that died without a word is replaced by another.
    @WithDefault("6s")
    Duration sessionTimeout();

    /// Between attempts to reach the cluster, and after a failure.
    @WithDefault("1s")
    Duration retryInterval();
}
