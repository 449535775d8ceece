package dev.tokenlog.client;

import java.util.Optional;

/// Where a generation's events are found: whoever holds this can read all of them, again and again,
/// for as long as the log keeps them.
///
/// @param generationId its name
/// @param partition of `prompts` and of `tokens`
/// @param tokensOffset where to start reading `tokens`: at or before the generation's first claim
/// @param bodyHash SHA-256 of the prompt record that this client sent; empty where it sent none
public record GenerationHandle(
        String generationId, int partition, long tokensOffset, Optional<String> bodyHash) {}
