package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.model.ModelMemory;
import java.time.Duration;

/// Refuses numbers with which a worker would start, take prompts, and never answer them.
final class ConfigurationRanges {

    private ConfigurationRanges() {}

    /// @throws IllegalArgumentException naming the key, its value and what is expected
    static void require(InferenceConfiguration configuration) {
        InferenceConfiguration.Limits limits = configuration.limits();
        atLeast(1, "tokens.size", configuration.tokens().size());
        atLeast(1, "defaults.max-tokens", configuration.defaults().maxTokens());
        atLeast(1, "limits.tokens", limits.tokens());
        atLeast(1, "limits.generations", limits.generations());
        atLeast(1, "limits.sequences", limits.sequences());
        atLeast(0, "limits.drafts", limits.drafts());
        atLeast(1, "limits.held-prompts", limits.heldPrompts());
        atLeast(1, "limits.held-bytes", limits.heldBytes());
        ModelMemory.budget(configuration.models().memoryBytes());
        notNegative("tokens.interval", configuration.tokens().interval());
        notNegative("hand-over-timeout", configuration.handOverTimeout());
        notNegative("rules.dedupe-window", configuration.rules().dedupeWindow());
        notNegative("rules.max-age", configuration.rules().maxAge());
        notNegative("rules.clock-skew", configuration.rules().clockSkew());
        if (configuration.snapshotInterval().compareTo(Duration.ofMillis(1)) < 0) {
            throw refusal("snapshot-interval", configuration.snapshotInterval(), "at least 1 ms");
        }
    }

    private static void atLeast(long least, String key, long value) {
        if (value < least) {
            throw refusal(key, value, "at least " + least);
        }
    }

    private static void notNegative(String key, Duration value) {
        if (value.isNegative()) {
            throw refusal(key, value, "no negative time");
        }
    }

    private static IllegalArgumentException refusal(String key, Object value, String expected) {
        return new IllegalArgumentException(
                "tokenlog.inference.%s=%s: %s is expected".formatted(key, value, expected));
    }
}
