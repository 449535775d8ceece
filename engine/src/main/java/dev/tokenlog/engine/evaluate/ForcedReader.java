package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.Sequence;

/// One model reading documents, a chunk of positions at a time, with the logits after each token
/// but the last.
final class ForcedReader implements AutoCloseable {

    private final Executor executor;
    private final Batch batch;
    private Sequence sequence;
    private int[] document;
    private int position;

    ForcedReader(Executor executor, int chunk) {
        this.executor = executor;
        this.batch = executor.newBatch(chunk, chunk);
    }

    void begin(int[] newDocument) {
        close();
        document = newDocument;
        position = 0;
        sequence = executor.newSequence();
        sequence.fit(document.length);
        sequence.reserve(Math.max(1, document.length - 1));
    }

    /// Positions whose next token is still to be predicted.
    int remaining() {
        return Math.max(0, document.length - 1 - position);
    }

    /// Reads the next chunk.
    ///
    /// @return rows of logits, in [#logits]
    int read() {
        int rows = Math.min(remaining(), batch.maxTokens());
        batch.clear();
        for (int i = 0; i < rows; i++) {
            batch.add(sequence, document[position + i], position + i, true);
        }
        executor.step(batch);
        position += rows;
        return rows;
    }

    /// Tokens read of the document.
    int position() {
        return position;
    }

    float[] logits() {
        return batch.logits();
    }

    boolean isNonFinite() {
        return sequence.isNonFinite();
    }

    @Override
    public void close() {
        if (sequence != null) {
            sequence.close();
            sequence = null;
        }
    }
}
