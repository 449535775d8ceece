package dev.tokenlog.engine.generation;

/// Bounds of a [StepLoop].
///
/// @param maxSequences generations in the loop at once
/// @param maxStepTokens tokens computed in one step: decode tokens of all sequences and a piece of
///   prompts
/// @param maxPrefillChunk prompt tokens in one step while other sequences decode, so that a long
///   prompt does not stall them
/// @param maxCachedTokens tokens that all sequences in the loop may keep in their KV caches
///   together
public record StepLoopOptions(
        int maxSequences, int maxStepTokens, int maxPrefillChunk, long maxCachedTokens) {

    public StepLoopOptions {
        if (maxSequences < 1
                || maxStepTokens < maxSequences
                || maxPrefillChunk < 1
                || maxCachedTokens < 1) {
            throw new IllegalArgumentException(
                    "maxSequences "
                            + maxSequences
                            + ", maxStepTokens "
                            + maxStepTokens
                            + ", maxPrefillChunk "
                            + maxPrefillChunk
                            + ", maxCachedTokens "
                            + maxCachedTokens
                            + ": each at least 1, and a step must take a token of each sequence");
        }
    }

    /// Sixteen sequences, 64 tokens a step, 64 Ki tokens of cache.
    public static StepLoopOptions standard() {
        return new StepLoopOptions(16, 64, 48, 1 << 16);
    }
}
