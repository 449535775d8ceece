package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;

/// Topic `tokens`: the life of a generation. Which events count is decided by [GenerationLog], in
/// the order of the log, and by nothing else.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = TokenEvent.GenerationStarted.class, name = "GenerationStarted"),
    @JsonSubTypes.Type(value = TokenEvent.TokensGenerated.class, name = "TokensGenerated"),
    @JsonSubTypes.Type(value = TokenEvent.GenerationResumed.class, name = "GenerationResumed"),
    @JsonSubTypes.Type(value = TokenEvent.GenerationFinished.class, name = "GenerationFinished"),
    @JsonSubTypes.Type(value = TokenEvent.GenerationFailed.class, name = "GenerationFailed"),
    @JsonSubTypes.Type(value = TokenEvent.GenerationCancelled.class, name = "GenerationCancelled")
})
public sealed interface TokenEvent extends Event {

    String generationId();

    /// The offset of the prompt in the partition of the same number: with that number the
    /// generation's identity.
    Long promptOffset();

    /// Which claim this belongs to, from 1.
    Integer attempt();

    /// Claims: [GenerationStarted] and [GenerationResumed].
    sealed interface Claim extends TokenEvent {
        String workerId();

        String numericsId();
    }

    /// What ends a generation.
    sealed interface Terminal extends TokenEvent {
        TokenUsage usage();

        /// May be missing.
        Timings timings();
    }

    /// The first claim. A refused prompt gets one too, which may lack digest, numerics id and seed.
    ///
    /// @param parameters the effective parameters, defaults filled in
    /// @param bodyHash SHA-256, hex, of the prompt record's value
    record GenerationStarted(
            @Required String generationId,
            @Required Integer attempt,
            String modelId,
            String modelDigest,
            String numericsId,
            UnsignedSeed seed,
            Parameters parameters,
            @Required Long promptOffset,
            String bodyHash,
            String workerId)
            implements Claim {}

    /// @param index number of valid tokens before the first of this event
    /// @param tokenIds may be empty: a sign of life at a hand-over
    /// @param text the text of all ids to the end of this event without the text of all ids before
    ///   it
    /// @param logprobs one per token, if asked for
    /// @param promptTokens with index 0 only
    /// @param promptHash with index 0 only: SHA-256, hex, of the prompt's ids as little-endian
    ///   32-bit integers
    record TokensGenerated(
            @Required String generationId,
            @Required Long promptOffset,
            @Required Integer attempt,
            @Required Integer index,
            @Required List<Integer> tokenIds,
            String text,
            List<TokenLogprob> logprobs,
            Integer promptTokens,
            String promptHash)
            implements TokenEvent {}

    record GenerationResumed(
            @Required String generationId,
            @Required Long promptOffset,
            @Required Integer attempt,
            String workerId,
            String numericsId)
            implements Claim {}

    /// @param reason `stop` (end of sequence or a stop text) or `length`
    /// @param stopSequence the stop text that ended it, if one did
    /// @param tokenHash SHA-256, hex, over all valid token ids as little-endian 32-bit integers
    record GenerationFinished(
            @Required String generationId,
            @Required Long promptOffset,
            @Required Integer attempt,
            String reason,
            String stopSequence,
            TokenUsage usage,
            String tokenHash,
            Timings timings)
            implements Terminal {}

    record GenerationFailed(
            @Required String generationId,
            @Required Long promptOffset,
            @Required Integer attempt,
            ErrorCode code,
            String message,
            TokenUsage usage,
            String tokenHash,
            Timings timings)
            implements Terminal {}

    record GenerationCancelled(
            @Required String generationId,
            @Required Long promptOffset,
            @Required Integer attempt,
            String reason,
            TokenUsage usage,
            String tokenHash,
            Timings timings)
            implements Terminal {}

    record Parameters(
            Integer maxTokens,
            Double temperature,
            Integer topK,
            Double topP,
            Double minP,
            Double repetitionPenalty,
            Double presencePenalty,
            Double frequencyPenalty,
            List<String> stop,
            Integer logprobs,
            Long deadlineMs,
            Integer priority) {}

    record TokenUsage(int promptTokens, int completionTokens) {}

    /// Of the attempt that ended it; the first, the third and the fourth count from the prompt's
    /// append time.
    ///
    /// @param queueMs until this attempt began
    /// @param loadMs from then until model and prompt were ready: loading where the worker did not
    ///   have the model, rendering, tokenizing
    /// @param tokensPerSecond of this attempt's tokens behind its first
    /// @param peakMemoryBytes the most that the worker's process has had in memory so far; missing
    ///   where the operating system does not say
    /// @param reusedTokens tokens of the prompt that did not have to be computed, since a text that
    ///   begins alike was in the cache
    /// @param draftedTokens tokens that were guessed and computed ahead
    /// @param acceptedTokens those of them that were right: each saved a step
    record Timings(
            Long queueMs,
            Long loadMs,
            Long firstTokenMs,
            Long totalMs,
            Double tokensPerSecond,
            Long peakMemoryBytes,
            Integer reusedTokens,
            Integer draftedTokens,
            Integer acceptedTokens) {}

    /// Natural logarithm of the probability under the model's own distribution, before temperature
    /// and filters.
    record TokenLogprob(int tokenId, double logprob, List<Alternative> top) {}

    record Alternative(int tokenId, double logprob) {}
}
