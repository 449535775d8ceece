package dev.tokenlog.registry;

/// A generation that was asked for, as far as usage has to know it.
///
/// @param modelId missing if it could not be read
/// @param tokens asked for
/// @param at append time of what was last heard of it
/// @param attempt of the last valid claim; 0 before the first
record AskedGeneration(String modelId, long tokens, long at, int attempt, boolean ended) {

    AskedGeneration claimed(String model, long asked, long now) {
        return new AskedGeneration(model, asked, now, attempt + 1, false);
    }

    AskedGeneration end(long now) {
        return new AskedGeneration(modelId, 0, now, attempt, true);
    }
}
