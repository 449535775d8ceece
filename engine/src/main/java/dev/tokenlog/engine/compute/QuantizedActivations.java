package dev.tokenlog.engine.compute;

/// Activations of a block of tokens, quantized in blocks of 32 columns. Codes are kept as 16-bit
/// integers, since that is the width they are multiplied in; a last short block is filled up with
/// codes 0, which no exact integer sum notices.
public final class QuantizedActivations {

    /// Columns that share a scale.
    public static final int BLOCK = 32;

    private final short[] codes;
    private final float[] scales;
    private int columns;
    private int blocks;

    /// @param capacity tokens times columns, columns rounded up to a multiple of 32
    public QuantizedActivations(int capacity) {
        this.codes = new short[capacity];
        this.scales = new float[capacity / BLOCK];
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
        this.columns = columns;
        this.blocks = blocks;
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
}
