package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent.Timings;

/// When things happened in one attempt, in milliseconds since the prompt was appended.
final class AttemptTimes {

    private final long appended;
    private final long began;
    private long firstToken = -1;
    private long lastToken;
    private int tokens;

    AttemptTimes(long appended, long began) {
        this.appended = appended;
        this.began = began;
    }

    void token(long now) {
        if (tokens++ == 0) {
            firstToken = now;
        }
        lastToken = now;
    }

    /// The rate is that of this attempt's tokens behind its first.
    Timings timings(long now) {
        Double rate =
                tokens > 1 && lastToken > firstToken
                        ? (tokens - 1) * 1000.0 / (lastToken - firstToken)
                        : null;
        return new Timings(
                since(began), firstToken < 0 ? null : since(firstToken), since(now), rate);
    }

    /// Append times are the broker's: another clock, never a negative duration.
    private long since(long time) {
        return Math.max(0, time - appended);
    }
}
