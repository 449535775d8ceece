package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.inference.protocol.Inference.Saved;
import java.util.OptionalLong;

/// When things happened in one attempt, in milliseconds since the prompt was appended.
final class AttemptTimes {

    private final long appended;
    private final long began;
    private long prepared = -1;
    private long firstToken = -1;
    private long lastToken;
    private int tokens;
    private Saved saved;

    AttemptTimes(long appended, long began) {
        this.appended = appended;
        this.began = began;
    }

    /// Model and prompt are ready.
    void prepared(long now) {
        prepared = now;
    }

    void token(long now) {
        if (tokens++ == 0) {
            firstToken = now;
        }
        lastToken = now;
    }

    /// What the engine did not have to do. Not known of an attempt that was ended from outside.
    void saved(Saved tokens) {
        saved = tokens;
    }

    /// The rate is that of this attempt's tokens behind its first.
    ///
    /// @param peakMemoryBytes of the worker's process; empty where it is not known
    Timings timings(long now, OptionalLong peakMemoryBytes) {
        Double rate =
                tokens > 1 && lastToken > firstToken
                        ? (tokens - 1) * 1000.0 / (lastToken - firstToken)
                        : null;
        return new Timings(
                since(began),
                prepared < 0 ? null : prepared - began,
                firstToken < 0 ? null : since(firstToken),
                since(now),
                rate,
                peakMemoryBytes.isPresent() ? peakMemoryBytes.getAsLong() : null,
                saved == null ? null : saved.reusedTokens(),
                saved == null ? null : saved.draftedTokens(),
                saved == null ? null : saved.acceptedTokens());
    }

    /// Append times are the broker's: another clock, never a negative duration.
    private long since(long time) {
        return Math.max(0, time - appended);
    }
}
