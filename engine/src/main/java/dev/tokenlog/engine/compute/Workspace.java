package dev.tokenlog.engine.compute;

/// Buffers of one worker thread, made once, so that kernels allocate nothing.
public final class Workspace {

    /// Tokens of one sequence that one call of [Kernels#attend] takes.
    public static final int ATTENTION_TOKENS = 4;

    /// Queries that share a load of a key or a value.
    static final int ATTENTION_QUERIES = 4;

    /// Rows of float weights that are widened together.
    static final int WEIGHT_ROWS = 4;

    /// Tokens that are kept side by side beside float weights, at most.
    static final int TILE_TOKENS = 16;

    /// Rows of quantized weights that are unpacked together: two tiles.
    static final int PRODUCT_ROWS = 2 * TiledMatrix.ROWS;

    /// Tokens that unpacked weights are multiplied by before the next block is unpacked. Their
    /// activations should stay in a core's own cache.
    static final int PRODUCT_TOKENS = 64;

    /// Elements that go through a function together.
    private static final int ELEMENTS = 512;

    final short[] shorts = new short[QuantizedActivations.BLOCK * PRODUCT_ROWS];
    final float[] floats = new float[QuantizedActivations.BLOCK * PRODUCT_ROWS];
    final float[] lowerFloats = new float[QuantizedActivations.BLOCK * PRODUCT_ROWS];
    final float[] scales = new float[PRODUCT_ROWS];
    final float[] zeros = new float[PRODUCT_ROWS];
    final short[] shortSums = new short[PRODUCT_TOKENS * PRODUCT_ROWS];
    final float[] floatSums = new float[PRODUCT_TOKENS * PRODUCT_ROWS];
    final float[] lowerSums = new float[PRODUCT_TOKENS * PRODUCT_ROWS];
    final float[] accumulators = new float[PRODUCT_TOKENS * PRODUCT_ROWS];
    final float[] tile = new float[4 * WEIGHT_ROWS * TILE_TOKENS];
    final float[] partialScores = new float[4 * ATTENTION_QUERIES * KvLayout.PAGE_POSITIONS];
    final short[] halves;
    final byte[] codes;
    final float[] weights;
    final float[] transposed;
    final float[] keys;
    final float[] values;
    final float[] partials = new float[16];
    final float[] elements = new float[ELEMENTS];
    private final int queries;
    private float[] scores = new float[0];
    private long[] addresses = new long[0];
    private int positions;

    /// @param columns of the widest matrix
    /// @param group query heads that share a key-value head, at most
    /// @param headSize at most
    public Workspace(int columns, int group, int headSize) {
        int padded = QuantizedActivations.paddedColumns(columns);
        this.weights = new float[WEIGHT_ROWS * padded];
        this.transposed = new float[TILE_TOKENS * padded];
        this.keys = new float[KvLayout.PAGE_POSITIONS * headSize];
        this.values = new float[KvLayout.PAGE_POSITIONS * headSize];
        this.halves = new short[Math.max(padded, KvLayout.PAGE_POSITIONS * headSize)];
        this.codes = new byte[padded];
        this.queries = ATTENTION_TOKENS * group;
    }

    /// Makes room for the scores of this many positions; not inside a step.
    public void reservePositions(int count) {
        if (count > positions) {
            positions = Math.ceilDiv(count, KvLayout.PAGE_POSITIONS) * KvLayout.PAGE_POSITIONS;
            scores = new float[Math.multiplyExact(queries, positions)];
            addresses = new long[positions / KvLayout.PAGE_POSITIONS];
        }
    }

    /// Scores of a tile of queries; query `i` begins at `i * positions()`.
    public float[] scores() {
        return scores;
    }

    /// Room for this many scores of a query: whole pages.
    public int positions() {
        return positions;
    }

    /// Room for where the pages of a sequence lie, for kernels that hand them on by address.
    public long[] addresses() {
        return addresses;
    }

    /// Room for the keys or values of one head in a page, widened.
    public float[] page() {
        return keys;
    }
}
