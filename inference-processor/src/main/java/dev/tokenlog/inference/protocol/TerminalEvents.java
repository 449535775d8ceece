package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;
import dev.tokenlog.contracts.TokenHash;

/// Builds the event that ends a generation.
///
/// @param ids all valid tokens, those of earlier attempts included
record TerminalEvents(GenerationKey key, int attempt, int[] ids, int promptTokens) {

    Terminal of(Ending ending, Timings timings) {
        TokenUsage usage = new TokenUsage(promptTokens, ids.length);
        String hash = TokenHash.of(ids);
        return switch (ending) {
            case Ending.Finished(String reason, String stopSequence) ->
                    new GenerationFinished(
                            key.generationId(),
                            key.promptOffset(),
                            attempt,
                            reason,
                            stopSequence,
                            usage,
                            hash,
                            timings);
            case Ending.Failed(Refusal refusal) ->
                    new GenerationFailed(
                            key.generationId(),
                            key.promptOffset(),
                            attempt,
                            refusal.code(),
                            Texts.shortened(refusal.message()),
                            usage,
                            hash,
                            timings);
            case Ending.Cancelled(String reason) ->
                    new GenerationCancelled(
                            key.generationId(),
                            key.promptOffset(),
                            attempt,
                            reason,
                            usage,
                            hash,
                            timings);
        };
    }
}
