package dev.tokenlog.client;

import java.time.Instant;

/// A generation that the log knows, and what made it.
///
/// @param partition of its prompt and its tokens
/// @param modelDigest null if its prompt was refused before a model was chosen
/// @param startedAt when its first claim was appended
/// @param tokens valid ones so far
/// @param ended whether a valid terminal event stands behind them
public record PastGeneration(
        String generationId,
        int partition,
        long promptOffset,
        String modelId,
        String modelDigest,
        Instant startedAt,
        int tokens,
        boolean ended) {}
