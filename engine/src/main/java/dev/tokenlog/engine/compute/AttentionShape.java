package dev.tokenlog.engine.compute;

/// What attention needs to know of a layer.
///
/// @param layer index into the cache
/// @param group query heads that share a key-value head
/// @param scale multiplies scores
/// @param window positions that a token sees, itself included; 0: all
/// @param softCap `c`: scores become `c · tanh(score / c)`; 0: none
public record AttentionShape(
        int layer, int group, int headSize, float scale, int window, float softCap) {

    /// The first position that a token at `position` sees.
    public int firstVisible(int position) {
        return window == 0 ? 0 : Math.max(0, position - window + 1);
    }
}
