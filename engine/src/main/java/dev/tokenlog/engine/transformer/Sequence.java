package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;

/// The KV cache of one sequence of tokens. Belongs to the executor that made it and to its thread.
public interface Sequence extends AutoCloseable {

    /// Tokens in the cache.
    int length();

    /// Makes room for this many tokens in all, by whole pages, or for as many as there are pages
    /// left. Outside of a step; may allocate.
    ///
    /// @return tokens in all that it has room for
    int makeRoom(int tokens);

    /// Makes room for this many tokens in all.
    ///
    /// @throws EngineException if other sequences hold the pages, or there are too few
    default void reserve(int tokens) {
        int room = makeRoom(tokens);
        if (room < tokens) {
            throw new EngineException(
                    Reason.CONTEXT_TOO_LONG,
                    "%d tokens of KV cache, where %s leaves room for %d"
                            .formatted(tokens, KvBudget.KEY, room));
        }
    }

    /// Goes on with pages that other sequences have computed, as far as their texts were the same
    /// and rotated alike; and lets others go on with the full pages of this one from now on. Leaves
    /// at least one token to be computed. Outside of a step, after [#fit].
    ///
    /// @param text its tokens so far and those that are read next
    /// @param tokens of the text
    /// @return tokens that the cache holds then
    int reuse(int[] text, int tokens);

    /// Says how long the text is that is read next: of some models, the length decides how all
    /// positions are rotated. To be called before the first token, and again when the text gets
    /// longer; models whose rotary positions do not depend on it do not mind. Outside of a step.
    ///
    /// @param tokens of the text whose next logits are wanted
    /// @return tokens that the cache still holds: all, or none, if those tokens had been rotated
    ///   otherwise than a text of the new length is, and so have to be computed again
    int fit(int tokens);

    /// Most tokens that the text may have without being rotated otherwise than it has been
    /// [fitted][#fit] for.
    int fitted();

    /// Forgets the tokens from `length` on. A sequence that shares pages may have to make room
    /// again for those that follow.
    void truncate(int length);

    /// Whether a step found a NaN or an infinity in this sequence's activations or logits.
    boolean isNonFinite();

    /// Gives the pages back. Full ones may be kept for texts that begin alike, if it shared them.
    @Override
    void close();
}
