package dev.tokenlog.engine.compute;

/// Activations of a block of tokens, quantized in blocks of 32 columns. Codes are kept as 16-bit
/// integers; a last short block is filled up with codes 0, which no exact integer sum notices.
public final class QuantizedActivations {

    /// Columns that share a scale.
    public static final int BLOCK = 32;

    /// Tokens that share a panel.
    public static final int PANEL = 4;

    private final ActivationCode code;
    private final short[] codes;
    private final float[] scales;
    private final int[] lanes;
    private final float[] laneScales;
    private final float[] laneSums;
    private final int[] offsets;
    private final byte[] panels;
    private int columns;
    private int tokens;
    private int blocks;

    /// What a kernel may round the number of tokens up to.
    static final int TOKEN_UNIT = 4;

    public QuantizedActivations(ActivationCode code, int maxTokens, int maxColumns) {
        this.code = code;
        int padded = paddedColumns(maxColumns);
        int capacity = Math.multiplyExact(maxTokens, padded);
        int tiles = Math.multiplyExact(Math.ceilDiv(maxTokens, TOKEN_UNIT) * TOKEN_UNIT, padded);
        this.codes = new short[capacity];
        this.scales = new float[capacity / BLOCK];
        this.lanes = new int[tiles];
        this.laneScales = new float[tiles / BLOCK];
        this.laneSums = new float[tiles / BLOCK];
        this.offsets = new int[code == ActivationCode.BITS_8 ? capacity / BLOCK : 0];
        int whole = Math.multiplyExact(Math.ceilDiv(maxTokens, PANEL) * PANEL, padded / BLOCK);
        int codeBytes = code == ActivationCode.BITS_8 ? 1 : 2;
        this.panels = new byte[Math.multiplyExact(whole, BLOCK * codeBytes + 8)];
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

    /// Room for kernels that want one more number per block of 8-bit codes, in the places of the
    /// scales; empty for wider ones.
    int[] offsets() {
        return offsets;
    }

    /// Room for kernels that keep [#PANEL] tokens together in a layout of their own: for each block
    /// and token its codes, as bytes if they have 8 bits, and 8 bytes.
    public byte[] panels() {
        return panels;
    }

    /// Room for a kernel that wants codes in 32 bits, in whatever form and order is its business:
    /// as many as [#codes], for a number of tokens rounded up to [#TOKEN_UNIT].
    int[] lanes() {
        return lanes;
    }

    /// Likewise for scales.
    float[] laneScales() {
        return laneScales;
    }

    /// Likewise for the sums of the codes of blocks.
    float[] laneSums() {
        return laneSums;
    }
}
