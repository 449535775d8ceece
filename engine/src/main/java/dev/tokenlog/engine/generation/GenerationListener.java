package dev.tokenlog.engine.generation;

/// Told of what becomes of a generation, on the engine's thread: must return at once and never
/// block.
public interface GenerationListener {

    /// A token was chosen.
    ///
    /// @param index from 0, tokens of earlier runs included
    /// @param logprob null unless asked for
    void onToken(int index, int tokenId, TokenLogProbability logprob);

    /// A step is over, and all generations have been told of their tokens: the moment to pass them
    /// on together. Not told after an end.
    default void onStepEnd() {}

    /// The generation came to its own end. Told after its last token.
    void onFinished(Finish finish);

    /// It could not go on: bad data, non-finite numbers, or a defect.
    void onFailed(Exception failure);

    /// It was stopped by [GenerationHandle#stop]; nothing more will be told.
    void onStopped();

    /// @param stopSequence the stop text found, or null
    record Finish(Reason reason, String stopSequence, Statistics statistics) {}

    enum Reason {
        /// End of sequence or a stop text.
        STOP,
        /// `maxTokens` or the end of the context.
        LENGTH
    }

    /// Natural logarithms.
    ///
    /// @param alternativeIds the likeliest first
    record TokenLogProbability(
            double logprob, int[] alternativeIds, double[] alternativeLogprobs) {}

    /// @param reusedTokens tokens of the prompt that another generation had computed, when this one
    ///   began
    /// @param prefillNanos from the first step of the prompt to its first token
    /// @param draftedTokens tokens that were guessed and computed ahead
    /// @param acceptedTokens those of them that the sampler chose: each saved a step
    record Statistics(
            int promptTokens,
            int reusedTokens,
            int completionTokens,
            long queueNanos,
            long prefillNanos,
            long decodeNanos,
            int draftedTokens,
            int acceptedTokens) {}
}
