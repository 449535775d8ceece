package dev.tokenlog.inference.protocol;

import java.time.Duration;

/// @param workerId new at every process start
/// @param defaults what a prompt that does not say gets
/// @param groupTokens a `TokensGenerated` holds at most this many
/// @param groupInterval a token of one or two generations waits at most this long for others, up to
///   four times as long where more run
/// @param dedupeWindow how long the same id means the same generation
/// @param maxAge older prompts fail instead of being started or resumed
/// @param clockSkew how far apart the clocks of brokers may be
/// @param tokensInFlight bound on the tokens that all generations that run begin with
/// @param generationsInFlight bound on their number
/// @param heldPrompts prompts that may wait in memory; beyond it no more are asked for
/// @param heldBytes the same in bytes
public record WorkerSettings(
        String workerId,
        PromptDefaults defaults,
        int groupTokens,
        Duration groupInterval,
        Duration dedupeWindow,
        Duration maxAge,
        Duration clockSkew,
        long tokensInFlight,
        int generationsInFlight,
        int heldPrompts,
        long heldBytes) {

    /// After so many silent attempts in a row a prompt runs alone on its worker.
    static final int ALONE_AFTER = 2;

    /// After so many it fails.
    static final int POISON_AFTER = 4;

    /// What is filled in where a prompt does not say.
    public record PromptDefaults(int maxTokens, double temperature, int topK, double topP) {}
}
