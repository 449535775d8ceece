package dev.tokenlog.inference.protocol;

import java.util.OptionalLong;

/// How fast this worker works off the tokens that are asked for, measured while somebody waits: an
/// idle worker says nothing about what it could do. Old measurements count for half after
/// [#HALF_LIFE_MILLIS].
final class DrainRate {

    private static final double HALF_LIFE_MILLIS = 20_000;

    /// Below so much time or so many ends nothing is said.
    private static final double LEAST_MILLIS = 1_000;

    private static final double LEAST_ENDS = 4;

    private double tokens;
    private double millis;
    private double ends;
    private double endedMillis;
    private long since;
    private boolean saturated;

    /// From now on somebody waits, or nobody does.
    void saturated(boolean waiting, long now) {
        if (waiting != saturated) {
            advance(now);
            saturated = waiting;
        }
    }

    /// A generation has left.
    ///
    /// @param drained tokens asked for that nobody waits for any more
    /// @param tookMillis how long it ran
    void left(long drained, long tookMillis, long now) {
        advance(now);
        if (saturated) {
            tokens += drained;
            ends++;
            endedMillis += tookMillis;
        }
    }

    private void advance(long now) {
        long passed = Math.max(0, now - since);
        since = now;
        if (saturated && passed > 0) {
            double kept = Math.pow(0.5, passed / HALF_LIFE_MILLIS);
            tokens *= kept;
            ends *= kept;
            endedMillis *= kept;
            millis = millis * kept + passed;
        }
    }

    private boolean isKnown() {
        return millis >= LEAST_MILLIS && ends >= LEAST_ENDS && tokens > 0;
    }

    /// Until so many tokens have been worked off; empty while too little was measured.
    OptionalLong millisFor(long wanted) {
        return isKnown()
                ? OptionalLong.of(Math.round(wanted * millis / tokens))
                : OptionalLong.empty();
    }

    /// How long a generation runs; empty while too little was measured.
    OptionalLong runMillis() {
        return isKnown() ? OptionalLong.of(Math.round(endedMillis / ends)) : OptionalLong.empty();
    }
}
