package dev.tokenlog.client;

import java.util.Optional;

/// Where a dead letter stands now that it has been sent again.
///
/// @param generationId of a prompt: a new one
public record ResentLetter(
        String topic, int partition, long offset, Optional<String> generationId) {}
