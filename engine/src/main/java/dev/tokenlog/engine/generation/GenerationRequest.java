package dev.tokenlog.engine.generation;

import java.util.List;

/// One generation: prompt ids in, tokens out.
///
/// @param id for people and logs only; has no influence on the tokens
/// @param promptIds the prompt
/// @param doneIds tokens that an earlier run of the same generation made; the first new token has
///   index `doneIds.length`
/// @param maxTokens at most this many tokens in all, `doneIds` included
/// @param stop texts that end the generation when the completion's text contains them
/// @param alternatives -1: no log probabilities; 0: the token's own; n: and the n likeliest
/// @param alone run without neighbours in the step (a suspected poison)
public record GenerationRequest(
        String id,
        int[] promptIds,
        int[] doneIds,
        SamplingParameters sampling,
        int maxTokens,
        List<String> stop,
        int alternatives,
        int priority,
        boolean alone) {}
