package dev.tokenlog.client;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.util.List;

/// Applies the reader's rules to the records of one partition of `tokens` and puts what counts into
/// a feed. The generation is the one whose first claim is met first under the handle's id.
final class GenerationFollower implements LogReader.Listener {

    private final GenerationHandle handle;
    private final Feed<GenerationUpdate> feed;
    private GenerationLog log;
    private StopTextView view = new StopTextView(List.of());

    GenerationFollower(GenerationHandle handle, Feed<GenerationUpdate> feed) {
        this.handle = handle;
        this.feed = feed;
    }

    @Override
    public void onFailure(TokenlogException reason) {
        feed.fail(reason);
    }

    @Override
    public void onRecord(LogRecord record) {
        record.event(TokenEvent.class)
                .filter(event -> event.generationId().equals(handle.generationId()))
                .ifPresent(event -> onEvent(record.offset(), event));
    }

    private void onEvent(long offset, TokenEvent event) {
        if (log == null) {
            // Without its first claim nothing of a generation is valid: whoever comes too late
            // delivers nothing.
            if (!(event instanceof Claim) || event.attempt() != 1) {
                return;
            }
            log = new GenerationLog(event.generationId(), event.promptOffset());
        }
        if (event.promptOffset() != log.promptOffset() || log.ended()) {
            return;
        }
        switch (log.apply(offset, event)) {
            case Applied.Claimed(var claim) -> onClaim(offset, claim);
            case Applied.Extended(var tokens) -> onTokens(offset, tokens);
            case Applied.Ended(var end) -> {
                String rest = view.finish();
                if (!rest.isEmpty()) {
                    feed.put(
                            new GenerationUpdate.Tokens(
                                    offset, log.tokenCount(), List.of(), rest, List.of()));
                }
                feed.put(new GenerationUpdate.Ended(offset, end));
                feed.end();
            }
            case Applied.Void _ -> {}
        }
    }

    private void onClaim(long offset, Claim claim) {
        switch (claim) {
            case GenerationStarted started -> {
                String found = started.bodyHash();
                if (handle.bodyHash().isPresent() && !handle.bodyHash().get().equals(found)) {
                    feed.fail(
                            TokenlogException.refused(
                                    ErrorCode.ID_CONFLICT,
                                    "generation %s belongs to another prompt (body hash %s, ours is %s)"
                                            .formatted(
                                                    handle.generationId(),
                                                    found,
                                                    handle.bodyHash().get())));
                    return;
                }
                if (started.parameters() != null && started.parameters().stop() != null) {
                    view = new StopTextView(started.parameters().stop());
                }
                feed.put(new GenerationUpdate.Started(offset, started));
            }
            case GenerationResumed resumed ->
                    feed.put(new GenerationUpdate.Resumed(offset, resumed));
        }
    }

    private void onTokens(long offset, TokensGenerated tokens) {
        String text = view.push(tokens.text() == null ? "" : tokens.text());
        feed.put(
                new GenerationUpdate.Tokens(
                        offset,
                        tokens.index(),
                        tokens.tokenIds(),
                        text,
                        tokens.logprobs() == null ? List.of() : tokens.logprobs()));
    }
}
