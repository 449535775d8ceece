package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;

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

    /// Refuses what is out of range.
    ///
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE`, naming the field as the prompt event does
    public SamplingParameters checked() {
        requireRange("temperature", temperature, 0, 2);
        requireRange("top_k", topK, 0, Integer.MAX_VALUE);
        if (!(topP > 0)) {
            throw outOfRange("top_p", topP, "above 0 and at most 1");
        }
        requireRange("top_p", topP, 0, 1);
        requireRange("min_p", minP, 0, 1);
        requireRange("repetition_penalty", repetitionPenalty, 0.1, 10);
        requireRange("presence_penalty", presencePenalty, -2, 2);
        requireRange("frequency_penalty", frequencyPenalty, -2, 2);
        return this;
    }

    private static void requireRange(String field, double value, double least, double most) {
        if (!(value >= least && value <= most)) {
            throw outOfRange(field, value, least + " to " + most);
        }
    }

    private static EngineException outOfRange(String field, double value, String range) {
        return new EngineException(
                EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                field + " is " + value + ", expected " + range);
    }

    /// Always the likeliest token.
    public static SamplingParameters greedy() {
        return new SamplingParameters(0, 0, 1, 0, 1, 0, 0, 0);
    }
}
