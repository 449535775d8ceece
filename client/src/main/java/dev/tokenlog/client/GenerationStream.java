package dev.tokenlog.client;

import dev.tokenlog.client.GenerationUpdate.Ended;
import dev.tokenlog.client.GenerationUpdate.Resumed;
import dev.tokenlog.client.GenerationUpdate.Started;
import dev.tokenlog.client.GenerationUpdate.Tokens;
import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/// A generation as it happens, or as it happened: a final stream without gap, duplicate or change,
/// whatever became of the workers behind it. For one thread at a time.
///
/// ```java
/// while (!stream.ended()) {
///     stream.next(Duration.ofSeconds(30)).ifPresent(update -> …);
/// }
/// ```
public final class GenerationStream implements AutoCloseable {

    private final GenerationHandle handle;
    private final Feed<GenerationUpdate> feed;
    private final Source source;

    private final List<Integer> tokenIds = new ArrayList<>();
    private final StringBuilder text = new StringBuilder();
    private GenerationStarted started;
    private int attempts;
    private Terminal end;

    GenerationStream(GenerationHandle handle, Feed<GenerationUpdate> feed, Source source) {
        this.handle = handle;
        this.feed = feed;
        this.source = source;
    }

    public GenerationHandle handle() {
        return handle;
    }

    /// The next update; empty if none came in this time, or after the end.
    ///
    /// @throws TokenlogException if the stream cannot go on: `REFUSED` with `ID_CONFLICT` if
    ///   somebody else's prompt has this generation id, `LOG_GAP`, `NOT_ALLOWED`, `CLOSED`
    public Optional<GenerationUpdate> next(Duration atMost) {
        Optional<GenerationUpdate> update = feed.next(atMost);
        update.ifPresent(this::note);
        return update;
    }

    private void note(GenerationUpdate update) {
        switch (update) {
            case Started first -> {
                started = first.event();
                attempts = 1;
            }
            case Tokens tokens -> {
                tokenIds.addAll(tokens.tokenIds());
                text.append(tokens.text());
            }
            case Resumed _ -> attempts++;
            case Ended last -> {
                end = last.event();
                close();
            }
        }
    }

    /// Whether the last update was delivered.
    public boolean ended() {
        return end != null;
    }

    /// Hands every remaining update to the consumer, and returns the whole.
    ///
    /// @param silence how long nothing may come
    /// @throws TokenlogException `TIMEOUT` if nothing came for so long; the generation itself goes
    ///   on and can be read again from its handle
    public GenerationResult forEach(Duration silence, Consumer<GenerationUpdate> consumer) {
        while (!ended()) {
            consumer.accept(
                    next(silence)
                            .orElseThrow(() ->
                                    new TokenlogException(
                                            Kind.TIMEOUT,
                                            "no event of generation %s within %d s"
                                                    .formatted(
                                                            handle.generationId(),
                                                            silence.toSeconds()))));
        }
        return new GenerationResult(
                handle, started, List.copyOf(tokenIds), text.toString(), end, attempts);
    }

    /// Waits for the end.
    ///
    /// @param silence how long nothing may come
    public GenerationResult await(Duration silence) {
        return forEach(silence, _ -> {});
    }

    /// Stops reading; the generation goes on.
    @Override
    public void close() {
        feed.fail(new TokenlogException(Kind.CLOSED, "the stream was closed"));
        source.close();
    }
}
