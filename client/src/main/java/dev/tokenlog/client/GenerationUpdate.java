package dev.tokenlog.client;

import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import java.util.List;

/// What a reader of a generation gets, in this order: one [Started], any number of [Tokens] and
/// [Resumed], one [Ended]. Nothing is ever taken back or repeated.
public sealed interface GenerationUpdate {

    /// Place of the record in its partition of `tokens`.
    long offset();

    record Started(long offset, GenerationStarted event) implements GenerationUpdate {}

    /// @param index number of tokens before these
    /// @param tokenIds all ids, those of a stop text and of the end of sequence included; may be
    ///   empty
    /// @param text what may be shown now: without a stop text, and without what may yet become one
    /// @param logprobs one per token, if asked for; else empty
    record Tokens(
            long offset,
            int index,
            List<Integer> tokenIds,
            String text,
            List<TokenLogprob> logprobs)
            implements GenerationUpdate {}

    /// Another worker, or the same one after a restart, goes on.
    record Resumed(long offset, GenerationResumed event) implements GenerationUpdate {}

    record Ended(long offset, Terminal event) implements GenerationUpdate {}
}
