package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;

/// Topic `prompts`. A prompt can be typed into a console producer: only `model_id` and one of
/// `messages` and `prompt` are required, and a missing `type` means [PromptSubmitted].
@JsonTypeInfo(
        use = JsonTypeInfo.Id.NAME,
        property = "type",
        defaultImpl = PromptEvent.PromptSubmitted.class)
@JsonSubTypes(
        @JsonSubTypes.Type(value = PromptEvent.PromptSubmitted.class, name = "PromptSubmitted"))
public sealed interface PromptEvent extends Event {

    /// @param generationId chosen by the client; without one it is `partition-offset` of this
    ///   record
    /// @param conversationId routes only: same key, same partition, warm prefix cache
    /// @param messages the whole conversation, rendered by the model's chat template
    /// @param prompt raw text in place of `messages`, no template
    /// @param maxTokens at most this many tokens; missing: the model's default
    /// @param temperature 0 to 2; 0 takes the likeliest token
    /// @param topK 0 or missing: no limit
    /// @param seed an unsigned 64-bit number (read with [Long#toUnsignedString]); missing: derived
    ///   from the id
    /// @param stop texts that end the generation
    /// @param logprobs how many alternatives to report per token; missing: no log probabilities, 0:
    ///   the token's own
    /// @param deadlineMs milliseconds after the record's append time by which it is worth anything
    /// @param priority larger first; missing: 0
    record PromptSubmitted(
            String generationId,
            String conversationId,
            String modelId,
            List<Message> messages,
            String prompt,
            Integer maxTokens,
            Double temperature,
            Integer topK,
            Double topP,
            Double minP,
            Double repetitionPenalty,
            Double presencePenalty,
            Double frequencyPenalty,
            UnsignedSeed seed,
            List<String> stop,
            Integer logprobs,
            Long deadlineMs,
            Integer priority)
            implements PromptEvent {}

    record Message(String role, String content) {}
}
