package dev.tokenlog.client;

import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.Event;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Predicate;

/// The events of one conversion, one validation or one model as they come, up to the one that ends
/// it. For one thread at a time.
public final class EventStream<E extends Event> implements AutoCloseable {

    private final String id;
    private final Feed<LogEvent<E>> feed;
    private final Predicate<E> last;
    private final Source source;
    private boolean ended;

    EventStream(String id, Feed<LogEvent<E>> feed, Predicate<E> last, Source source) {
        this.id = id;
        this.feed = feed;
        this.last = last;
        this.source = source;
    }

    /// The id of what is followed.
    public String id() {
        return id;
    }

    /// The next event; empty if none came in this time, or after the last.
    public Optional<LogEvent<E>> next(Duration atMost) {
        if (ended) {
            return Optional.empty();
        }
        Optional<LogEvent<E>> next = feed.next(atMost);
        if (next.isPresent() && last.test(next.get().event())) {
            ended = true;
            close();
        }
        return next;
    }

    /// Whether the last event was delivered.
    public boolean ended() {
        return ended;
    }

    /// Hands every remaining event to the consumer, and returns the last.
    ///
    /// @param silence how long nothing may come
    /// @throws TokenlogException `TIMEOUT` if nothing came for so long
    public E forEach(Duration silence, Consumer<LogEvent<E>> consumer) {
        if (ended) {
            throw new IllegalStateException("all events of " + id + " were delivered");
        }
        while (true) {
            LogEvent<E> event =
                    next(silence)
                            .orElseThrow(() ->
                                    new TokenlogException(
                                            Kind.TIMEOUT,
                                            "no event of %s within %d s"
                                                    .formatted(id, silence.toSeconds())));
            consumer.accept(event);
            if (ended) {
                return event.event();
            }
        }
    }

    /// Waits for the last event.
    ///
    /// @param silence how long nothing may come
    public E await(Duration silence) {
        return forEach(silence, _ -> {});
    }

    /// Stops reading; what is followed goes on.
    @Override
    public void close() {
        feed.fail(new TokenlogException(Kind.CLOSED, "the stream was closed"));
        source.close();
    }
}
