package dev.tokenlog.engine.transformer;

/// The KV cache of one sequence of tokens. Belongs to the executor that made it and to its thread.
public interface Sequence extends AutoCloseable {

    /// Tokens in the cache.
    int length();

    /// Makes room for this many tokens in all, by whole pages. Outside of a step; may allocate.
    void reserve(int tokens);

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

    /// Forgets the tokens from `length` on.
    void truncate(int length);

    /// Whether a step found a NaN or an infinity in this sequence's activations or logits.
    boolean isNonFinite();

    /// Gives the pages back.
    @Override
    void close();
}
