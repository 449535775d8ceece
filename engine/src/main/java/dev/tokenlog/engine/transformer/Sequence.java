package dev.tokenlog.engine.transformer;

/// The KV cache of one sequence of tokens. Belongs to the executor that made it and to its thread.
public interface Sequence extends AutoCloseable {

    /// Tokens in the cache.
    int length();

    /// Makes room for this many tokens in all, by whole pages. Outside of a step; may allocate.
    void reserve(int tokens);

    /// Forgets the tokens from `length` on.
    void truncate(int length);

    /// Whether a step found a NaN or an infinity in this sequence's activations or logits.
    boolean isNonFinite();

    /// Gives the pages back.
    @Override
    void close();
}
