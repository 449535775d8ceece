package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.transformer.KvPages;

/// What a loop has done since it began, and the memory that it uses.
///
/// @param kv the KV cache
/// @param reusedTokens tokens that did not have to be computed, because another generation, or the
///   same one before it lost its pages, had computed the same beginning
/// @param preemptions how often a generation has lost its pages to one that ranks before it
/// @param steps that were computed
/// @param sequences that were active in each of them, added up: the mean batch, times `steps`
public record LoopStatistics(
        KvPages kv, long reusedTokens, long preemptions, long steps, long sequences) {}
