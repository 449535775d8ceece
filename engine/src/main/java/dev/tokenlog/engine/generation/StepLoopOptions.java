package dev.tokenlog.engine.generation;

/// Bounds of a [StepLoop].
///
/// @param maxSequences generations in the loop at once
/// @param maxStepTokens tokens computed in one step: decode tokens of all sequences and a piece of
///   prompts
/// @param maxPrefillChunk prompt tokens in one step while other sequences decode, so that a long
///   prompt does not stall them
/// @param maxDrafts guessed tokens in one step, of all sequences; 0: nothing is guessed
public record StepLoopOptions(
        int maxSequences, int maxStepTokens, int maxPrefillChunk, int maxDrafts) {

    /// Guessed tokens in a step unless asked otherwise.
    public static final int DRAFTS = 15;

    public StepLoopOptions {
        if (maxSequences < 1
                || maxStepTokens < maxSequences
                || maxPrefillChunk < 1
                || maxDrafts < 0) {
            throw new IllegalArgumentException(
                    "maxSequences "
                            + maxSequences
                            + ", maxStepTokens "
                            + maxStepTokens
                            + ", maxPrefillChunk "
                            + maxPrefillChunk
                            + ", maxDrafts "
                            + maxDrafts
                            + ": each at least 1 (drafts 0), and a step must take a token of each"
                            + " sequence");
        }
    }

    public StepLoopOptions(int maxSequences, int maxStepTokens, int maxPrefillChunk) {
        this(maxSequences, maxStepTokens, maxPrefillChunk, DRAFTS);
    }

    public StepLoopOptions withDrafts(int drafts) {
        return new StepLoopOptions(maxSequences, maxStepTokens, maxPrefillChunk, drafts);
    }

    /// Sixteen sequences, 64 tokens a step.
    public static StepLoopOptions standard() {
        return new StepLoopOptions(16, 64, 48);
    }
}
