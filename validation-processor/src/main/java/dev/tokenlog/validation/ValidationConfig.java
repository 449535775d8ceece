package dev.tokenlog.validation;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/// Settings of the validation processor alone. Connection and security come from `kafka.*`; the
/// prefix of topics (`tokenlog.topic-prefix`) is shared by all processors.
@ConfigMapping(prefix = "tokenlog.validation")
public interface ValidationConfig {

    /// Positions that both models are compared at.
    @WithDefault("4096")
    long tokens();

    /// The longest document, in tokens; a model's context is never exceeded.
    @WithDefault("512")
    int longestDocument();

    /// Another held-out text: JSON lines with `messages`. Missing: the bundled one.
    Optional<Path> heldOut();

    /// Kernels, as for inference.
    @WithDefault("auto")
    String compute();

    /// Threads that compute; missing: one per processor.
    OptionalInt threads();

    /// Between attempts while the log cannot be written.
    @WithDefault("1s")
    Duration retryInterval();
}
