package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
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
/// @param priority each level overtakes [#PLACES] requests that came before; from
///   [-MAX_PRIORITY][#MAX_PRIORITY] to [#MAX_PRIORITY], what is beyond counts as these
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
        boolean alone) {

    /// Most alternatives that can be asked for.
    public static final int MAX_ALTERNATIVES = 20;

    /// Most stop texts.
    public static final int MAX_STOP_TEXTS = 16;

    /// Most characters of a stop text.
    public static final int MAX_STOP_LENGTH = 1000;

    /// Requests that came before and are overtaken for each level of priority.
    public static final int PLACES = 8;

    /// The largest priority.
    public static final int MAX_PRIORITY = 10;

    public GenerationRequest {
        priority = Math.clamp(priority, -MAX_PRIORITY, MAX_PRIORITY);
        stop = List.copyOf(stop);
    }

    /// Refuses what is out of range or does not fit the model.
    ///
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE`, naming the field as the prompt event does,
    ///   or `CONTEXT_TOO_LONG`
    public GenerationRequest checkedFor(ModelPlan plan) {
        sampling.checked();
        require(maxTokens >= 1, "max_tokens is " + maxTokens + ", expected at least 1");
        require(
                alternatives >= -1 && alternatives <= MAX_ALTERNATIVES,
                "logprobs is " + alternatives + ", expected 0 to " + MAX_ALTERNATIVES);
        require(
                stop.size() <= MAX_STOP_TEXTS,
                "stop has " + stop.size() + " texts, expected at most " + MAX_STOP_TEXTS);
        for (String text : stop) {
            require(
                    !text.isEmpty() && text.length() <= MAX_STOP_LENGTH,
                    "stop has a text of "
                            + text.length()
                            + " characters, expected 1 to "
                            + MAX_STOP_LENGTH);
        }
        require(promptIds.length >= 1, "prompt has no tokens");
        requireVocabulary(promptIds, plan.vocabularySize());
        requireVocabulary(doneIds, plan.vocabularySize());
        if (promptIds.length >= plan.contextLength()) {
            throw new EngineException(
                    Reason.CONTEXT_TOO_LONG,
                    "the prompt has "
                            + promptIds.length
                            + " tokens; the model's context of "
                            + plan.contextLength()
                            + " must hold them and an answer");
        }
        return this;
    }

    private static void requireVocabulary(int[] ids, int vocabularySize) {
        for (int id : ids) {
            require(
                    id >= 0 && id < vocabularySize,
                    "token id " + id + " is outside of the vocabulary of " + vocabularySize);
        }
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new EngineException(Reason.PARAMETER_OUT_OF_RANGE, message);
        }
    }
}
