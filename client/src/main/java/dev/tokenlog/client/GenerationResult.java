package dev.tokenlog.client;

import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import java.util.List;

/// A generation that has ended, as a whole.
///
/// @param tokenIds all valid token ids
/// @param text the text up to a stop text
/// @param end `GenerationFinished`, or why it did not finish
/// @param attempts how many workers held it, one after the other
public record GenerationResult(
        GenerationHandle handle,
        GenerationStarted started,
        List<Integer> tokenIds,
        String text,
        Terminal end,
        int attempts) {

    public boolean finished() {
        return end instanceof GenerationFinished;
    }
}
