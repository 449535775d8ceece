package dev.tokenlog.registry;

import dev.tokenlog.contracts.Usage;

/// What a model did in one minute, so far.
///
/// @param told whether this is what stands on `usage`
record UsageWindow(
        String modelId,
        long start,
        long generations,
        long promptTokens,
        long completionTokens,
        Quantiles firstTokenMs,
        Quantiles totalMs,
        long debt,
        boolean told) {

    static final long MILLIS = 60_000;

    static long startOf(long time) {
        return Math.floorDiv(time, MILLIS) * MILLIS;
    }

    static String key(String modelId, long start) {
        return modelId + "@" + start;
    }

    static UsageWindow of(String modelId, long start, long debt) {
        return new UsageWindow(
                modelId, start, 0, 0, 0, Quantiles.empty(), Quantiles.empty(), debt, false);
    }

    String key() {
        return key(modelId, start);
    }

    /// @param owed all that is asked for after it
    UsageWindow with(UsageFact fact, long owed) {
        return new UsageWindow(
                modelId,
                start,
                generations + (fact.ended() ? 1 : 0),
                promptTokens + fact.promptTokens(),
                completionTokens + fact.completionTokens(),
                firstTokenMs.with(fact.firstTokenMs()),
                totalMs.with(fact.totalMs()),
                owed,
                false);
    }

    UsageWindow told(boolean now) {
        return new UsageWindow(
                modelId,
                start,
                generations,
                promptTokens,
                completionTokens,
                firstTokenMs,
                totalMs,
                debt,
                now);
    }

    Usage usage() {
        return new Usage(
                modelId,
                start,
                MILLIS,
                generations,
                promptTokens,
                completionTokens,
                firstTokenMs.of(0.5),
                firstTokenMs.of(0.99),
                totalMs.of(0.5),
                totalMs.of(0.99),
                debt);
    }
}
