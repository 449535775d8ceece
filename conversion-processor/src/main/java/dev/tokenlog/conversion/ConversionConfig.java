package dev.tokenlog.conversion;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;
import java.util.OptionalInt;

/// Settings of the conversion processor alone. Connection and security come from `kafka.*`; prefix
/// of topics, data folder and artifact store (`tokenlog.topic-prefix`, `tokenlog.data`,
/// `tokenlog.artifacts`) are shared by all processors.
@ConfigMapping(prefix = "tokenlog.conversion")
public interface ConversionConfig {

    /// Threads that quantize; missing: one per processor.
    OptionalInt threads();

    /// Requests that wait in memory before the topic is paused.
    @WithDefault("100")
    int backlog();

    /// Between attempts while the log cannot be written.
    @WithDefault("1s")
    Duration retryInterval();
}
