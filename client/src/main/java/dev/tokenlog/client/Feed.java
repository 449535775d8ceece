package dev.tokenlog.client;

import dev.tokenlog.client.TokenlogException.Kind;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;

/// Hands items from the reading thread to one that waits for them. Ends once, well or with a
/// failure; what came before the end is delivered before it.
final class Feed<T> {

    private final Queue<T> items = new ArrayDeque<>();
    private boolean ended;
    private TokenlogException failure;

    synchronized void put(T item) {
        if (!ended) {
            items.add(item);
            notifyAll();
        }
    }

    synchronized void end() {
        ended = true;
        notifyAll();
    }

    synchronized void fail(TokenlogException reason) {
        if (!ended) {
            failure = reason;
            end();
        }
    }

    /// The next item; empty if none came in this time, or if all were delivered ([#ended]).
    ///
    /// @throws TokenlogException if the feed failed, or the thread was interrupted
    synchronized Optional<T> next(Duration atMost) {
        long until = System.nanoTime() + atMost.toNanos();
        while (items.isEmpty() && !ended) {
            long left = until - System.nanoTime();
            if (left <= 0) {
                return Optional.empty();
            }
            try {
                wait(left / 1_000_000, (int) (left % 1_000_000));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new TokenlogException(Kind.CLOSED, "interrupted while waiting", e);
            }
        }
        if (items.isEmpty() && failure != null) {
            throw failure;
        }
        return Optional.ofNullable(items.poll());
    }

    /// Whether everything was delivered and nothing will follow.
    synchronized boolean ended() {
        return ended && items.isEmpty() && failure == null;
    }
}
