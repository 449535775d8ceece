package dev.tokenlog.engine.compute;

import java.util.List;

/// Where keys and values lie in a page of the KV cache.
///
/// A page holds [#PAGE_POSITIONS] consecutive positions of one sequence in all layers: for each
/// layer the keys of all key-value heads, then the values of all key-value heads. Keys are stored
/// `[headSize][PAGE_POSITIONS]`, so that a vector of positions is scored at once; values
/// `[PAGE_POSITIONS][headSize]`, so that a vector of channels is summed at once. Where elements
/// have scales, binary32 little-endian, they follow a head's elements in the same order: those of
/// keys `[blocks][PAGE_POSITIONS]`, those of values `[PAGE_POSITIONS][blocks]`.
public final class KvLayout {

    /// Positions of one page: a multiple of the 16 partial sums.
    public static final int PAGE_POSITIONS = 32;

    /// One layer's share.
    public record LayerShape(int keyValueHeads, int headSize) {}

    private final KvType type;
    private final LayerShape[] shapes;
    private final long[] layerOffsets;
    private final long pageBytes;

    public KvLayout(KvType type, List<LayerShape> layers) {
        this.type = type;
        this.shapes = layers.toArray(LayerShape[]::new);
        this.layerOffsets = new long[shapes.length];
        long offset = 0;
        for (int layer = 0; layer < shapes.length; layer++) {
            layerOffsets[layer] = offset;
            offset += 2 * shapes[layer].keyValueHeads() * headBytes(layer);
        }
        this.pageBytes = offset;
    }

    public KvType type() {
        return type;
    }

    public int headSize(int layer) {
        return shapes[layer].headSize();
    }

    public int keyValueHeads(int layer) {
        return shapes[layer].keyValueHeads();
    }

    /// Byte offset in a page of one head's keys.
    public long keys(int layer, int head) {
        return layerOffsets[layer] + head * headBytes(layer);
    }

    /// Byte offset in a page of one head's values.
    public long values(int layer, int head) {
        return layerOffsets[layer] + (shapes[layer].keyValueHeads() + head) * headBytes(layer);
    }

    /// Blocks of a head of this layer that have a scale each.
    public int blocks(int layer) {
        return type.blocks(shapes[layer].headSize());
    }

    /// Byte offset in a page of the scales of one head's keys.
    public long keyScales(int layer, int head) {
        return keys(layer, head) + elementBytes(layer);
    }

    /// Byte offset in a page of the scales of one head's values.
    public long valueScales(int layer, int head) {
        return values(layer, head) + elementBytes(layer);
    }

    public long pageBytes() {
        return pageBytes;
    }

    private long headBytes(int layer) {
        return elementBytes(layer) + (long) PAGE_POSITIONS * blocks(layer) * Float.BYTES;
    }

    private long elementBytes(int layer) {
        return (long) PAGE_POSITIONS * shapes[layer].headSize() * type.bytes();
    }
}
