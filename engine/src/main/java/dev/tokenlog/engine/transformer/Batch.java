package dev.tokenlog.engine.transformer;

/// The tokens of one step and the logits that come out of it. Filled, stepped, read, cleared, and
/// used again.
public final class Batch {

    private final Sequence[] sequences;
    private final int[] tokens;
    private final int[] positions;
    private final int[] logitRows;
    private final int[] logitTokens;
    private final float[] logits;
    private final int vocabularySize;
    private int size;
    private int rows;

    public Batch(int maxTokens, int maxLogits, int vocabularySize) {
        this.sequences = new Sequence[maxTokens];
        this.tokens = new int[maxTokens];
        this.positions = new int[maxTokens];
        this.logitRows = new int[maxTokens];
        this.logitTokens = new int[maxLogits];
        this.logits = new float[Math.multiplyExact(maxLogits, vocabularySize)];
        this.vocabularySize = vocabularySize;
    }

    public void clear() {
        java.util.Arrays.fill(sequences, 0, size, null);
        size = 0;
        rows = 0;
    }

    /// Adds one token at a position of its sequence.
    ///
    /// @return the row of logits that follows this token, or -1 if none was asked for
    public int add(Sequence sequence, int token, int position, boolean wantsLogits) {
        if (size == tokens.length) {
            throw new IllegalStateException("the batch takes " + tokens.length + " tokens");
        }
        sequences[size] = sequence;
        tokens[size] = token;
        positions[size] = position;
        int row = -1;
        if (wantsLogits) {
            if (rows == logitTokens.length) {
                throw new IllegalStateException(
                        "the batch takes " + logitTokens.length + " rows of logits");
            }
            row = rows++;
            logitTokens[row] = size;
        }
        logitRows[size++] = row;
        return row;
    }

    public int size() {
        return size;
    }

    public int maxTokens() {
        return tokens.length;
    }

    /// Rows of logits asked for so far.
    public int rows() {
        return rows;
    }

    public Sequence sequence(int index) {
        return sequences[index];
    }

    public int token(int index) {
        return tokens[index];
    }

    public int position(int index) {
        return positions[index];
    }

    /// The row of logits of the token at this index, or -1.
    public int logitRow(int index) {
        return logitRows[index];
    }

    /// The index of the token whose logits stand in this row.
    public int logitToken(int row) {
        return logitTokens[row];
    }

    /// All rows of logits, one after the other; row `r` begins at `r * vocabularySize()`.
    public float[] logits() {
        return logits;
    }

    public int vocabularySize() {
        return vocabularySize;
    }
}
