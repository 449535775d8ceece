package dev.tokenlog.registry;

import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.Timings;
import dev.tokenlog.contracts.TokenEvent.TokenUsage;

/// What an event means for its model's usage.
///
/// @param debt tokens that are asked for now and were not before; negative, if not any more
/// @param ended whether a generation has ended; the rest is about it
/// @param firstTokenMs missing where there was none
record UsageFact(
        long debt,
        boolean ended,
        long promptTokens,
        long completionTokens,
        Long firstTokenMs,
        Long totalMs) {

    static UsageFact debt(long change) {
        return new UsageFact(change, false, 0, 0, null, null);
    }

    static UsageFact ended(long asked, Terminal end, Timings timings) {
        TokenUsage usage = end.usage() == null ? new TokenUsage(0, 0) : end.usage();
        return new UsageFact(
                -asked,
                true,
                usage.promptTokens(),
                usage.completionTokens(),
                timings == null ? null : timings.firstTokenMs(),
                timings == null ? null : timings.totalMs());
    }
}
