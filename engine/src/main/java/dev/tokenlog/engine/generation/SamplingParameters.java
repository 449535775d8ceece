package dev.tokenlog.engine.generation;

/// How the next token is chosen. See "Sampling" of `docs/numerics.md`.
///
/// @param temperature 0 to 2; 0 takes the likeliest
/// @param topK 0: no limit
/// @param topP 1: no limit
/// @param minP 0: no limit
/// @param repetitionPenalty 1: none; divides positive and multiplies negative logits of tokens seen
///   in prompt or output
/// @param presencePenalty subtracted once for each token in the output
/// @param frequencyPenalty subtracted per occurrence in the output
/// @param seed an unsigned 64-bit number
public record SamplingParameters(
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        long seed) {

    public static SamplingParameters greedy() {
        return new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0);
    }
}
