package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.EventHeaders;

/// A prompt that is not committed yet.
final class Prompt {

    private final PromptRecord record;
    private final ParsedPrompt parsed;
    private final GenerationKey key;
    private GenerationKey original;
    private boolean done;
    private boolean beginningLost;

    Prompt(PromptRecord record, ParsedPrompt parsed) {
        this.record = record;
        this.parsed = parsed;
        this.key = new GenerationKey(record.offset(), parsed.generationId());
        this.original = key;
    }

    PromptRecord record() {
        return record;
    }

    ParsedPrompt parsed() {
        return parsed;
    }

    long offset() {
        return record.offset();
    }

    long appendTime() {
        return record.appendTime();
    }

    /// The offset in `tokens` before which nothing of it can stand, if its sender noted it; else
    /// -1.
    long tokensFrom() {
        return EventHeaders.number(record.headers(), EventHeaders.TOKENS_FROM).orElse(-1);
    }

    GenerationKey key() {
        return key;
    }

    /// The generation that answers it: its own, or an earlier one under the same id.
    GenerationKey generation() {
        return original;
    }

    void repeats(GenerationKey earlier) {
        original = earlier;
    }

    /// Whether its tokens, if it had any, were deleted.
    boolean isBeginningLost() {
        return beginningLost;
    }

    void beginningIsLost() {
        beginningLost = true;
    }

    boolean isDone() {
        return done;
    }

    void done() {
        done = true;
    }
}
