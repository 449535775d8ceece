package dev.tokenlog.inference.protocol;

import java.util.Locale;

/// Moments between two things that belong together: where a worker has to be able to die. A chaos
/// run ends or stops it exactly there (`tokenlog.inference.halt`); elsewhere nothing happens.
public enum HaltPoint {
    /// The attempt's number is chosen, and its claim not yet sent. A worker that is stopped here
    /// and goes on later may claim a number that its successor holds by then.
    BEFORE_CLAIM,
    /// The first claim is durable, and not yet read back.
    IN_CLAIM,
    /// The claim of a later attempt is durable, and not yet read back.
    IN_RESUME,
    /// The attempt's first token is computed, and not yet sent.
    BEFORE_FIRST_TOKEN,
    /// A group of tokens is durable, and others follow.
    BETWEEN_GROUPS,
    /// The engine is done, and its last tokens are not yet sent.
    AFTER_LAST_TOKEN,
    /// All tokens are durable, the terminal event is not yet sent.
    BEFORE_END,
    /// The terminal event is durable, and not yet read back.
    AFTER_END,
    /// The terminal event has been read back, the prompt is not yet committed.
    BEFORE_COMMIT;

    /// As it is written in a configuration, for instance `in-claim`.
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
