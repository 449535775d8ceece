package dev.tokenlog.engine.compute;

/// Activations of a block of tokens, quantized in blocks of 32 columns. Codes are kept as 16-bit
/// integers; a last short block is filled up with codes 0, which no exact integer sum notices.
public final class QuantizedActivations {

    /// Columns that share a scale.
    public static final int BLOCK = 32;

    private final ActivationCode code;
    private final short[] codes;
    private final float[] scales;
    private final float[] floatCodes;
    private final float[] transposedScales;
    private final byte[] bytes;
    private final int[] offsets;
    private int columns;
    private int tokens;
    private int blocks;

    /// Tokens that a kernel may keep side by side.
    static final int MAX_TILE = 16;

    public QuantizedActivations(ActivationCode code, int maxTokens, int maxColumns) {
        this.code = code;
        int padded = paddedColumns(maxColumns);
        int capacity = Math.multiplyExact(maxTokens, padded);
        int tiles = Math.multiplyExact(Math.ceilDiv(maxTokens, MAX_TILE) * MAX_TILE, padded);
        this.codes = new short[capacity];
        this.scales = new float[capacity / BLOCK];
        this.floatCodes = new float[tiles];
        this.transposedScales = new float[tiles / BLOCK];
        this.bytes = new byte[code == ActivationCode.BITS_8 ? capacity : 0];
        this.offsets = new int[bytes.length / BLOCK];
    }

    /// Elements that one token of this many columns takes.
    public static int paddedColumns(int columns) {
        return Math.ceilDiv(columns, BLOCK) * BLOCK;
    }

    /// Sets the shape of what is stored next; forgets what was there.
    public void reshape(int tokens, int columns) {
        int blocks = Math.ceilDiv(columns, BLOCK);
        if ((long) tokens * blocks > scales.length) {
            throw new IllegalArgumentException(
                    tokens + " x " + columns + " does not fit in " + codes.length);
        }
        this.tokens = tokens;
        this.columns = columns;
        this.blocks = blocks;
    }

    public ActivationCode code() {
        return code;
    }

    public int tokens() {
        return tokens;
    }

    public int columns() {
        return columns;
    }

    /// Blocks of one token.
    public int blocks() {
        return blocks;
    }

    /// All codes; token `t` begins at `t * blocks() * BLOCK`.
    public short[] codes() {
        return codes;
    }

    /// All scales; token `t` begins at `t * blocks()`.
    public float[] scales() {
        return scales;
    }

    /// Room for kernels that want codes of 8 bits as bytes, in the places of the codes; empty for
    /// wider ones.
    public byte[] bytes() {
        return bytes;
    }

    /// Room for such kernels: one number per block, in the places of the scales.
    public int[] offsets() {
        return offsets;
    }

    /// Room for a kernel that wants codes as floats, or tokens side by side: as many codes as
    /// [#codes], rounded up to whole tiles of tokens. The layout is that kernel's business.
    float[] floatCodes() {
        return floatCodes;
    }

    /// Likewise for scales.
    float[] transposedScales() {
        return transposedScales;
    }
}
