package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Arrays;

/// Logits of whole token sequences, for measurements and comparisons.
public final class Logits {

    private static final int CHUNK = 32;

    private Logits() {}

    /// The logits that follow each token.
    ///
    /// @return `[ids.length][vocabularySize]`
    /// @throws EngineException `NON_FINITE`
    public static float[][] of(Executor executor, int[] ids) {
        float[][] result = new float[ids.length][];
        Batch batch = executor.newBatch(CHUNK, CHUNK);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(ids.length);
            sequence.reserve(ids.length);
            for (int from = 0; from < ids.length; from += CHUNK) {
                int to = Math.min(from + CHUNK, ids.length);
                batch.clear();
                for (int i = from; i < to; i++) {
                    batch.add(sequence, ids[i], i, true);
                }
                executor.step(batch);
                refuseNonFinite(sequence);
                for (int i = from; i < to; i++) {
                    result[i] = row(batch, i - from);
                }
            }
        }
        return result;
    }

    /// Continues a prompt with the likeliest token each time (of equals the one with the smaller
    /// id).
    ///
    /// @param endIds tokens that end the continuation; they belong to it
    /// @return at most `count` tokens
    /// @throws EngineException `NON_FINITE`
    public static int[] greedy(Executor executor, int[] promptIds, int count, int... endIds) {
        int[] ids = Arrays.copyOf(promptIds, promptIds.length + count);
        int length = promptIds.length;
        Batch batch = executor.newBatch(CHUNK, 1);
        try (Sequence sequence = executor.newSequence()) {
            while (length < ids.length) {
                int cached = sequence.fit(length);
                sequence.reserve(length);
                int row = read(executor, batch, sequence, ids, cached, length);
                refuseNonFinite(sequence);
                int token = likeliest(batch, row);
                ids[length++] = token;
                if (contains(endIds, token)) {
                    break;
                }
            }
        }
        return Arrays.copyOfRange(ids, promptIds.length, length);
    }

    /// @return the row of the last token's logits
    private static int read(
            Executor executor, Batch batch, Sequence sequence, int[] ids, int first, int end) {
        int row = -1;
        for (int from = first; from < end; from += CHUNK) {
            batch.clear();
            for (int i = from; i < Math.min(from + CHUNK, end); i++) {
                row = batch.add(sequence, ids[i], i, i == end - 1);
            }
            executor.step(batch);
        }
        return row;
    }

    /// Numbers that follow a NaN look like others: a soft cap makes them finite, and of them there
    /// is a largest one.
    private static void refuseNonFinite(Sequence sequence) {
        if (sequence.isNonFinite()) {
            throw new EngineException(Reason.NON_FINITE, "the model computed a NaN or an infinity");
        }
    }

    private static float[] row(Batch batch, int row) {
        int size = batch.vocabularySize();
        return Arrays.copyOfRange(batch.logits(), row * size, (row + 1) * size);
    }

    private static int likeliest(Batch batch, int row) {
        int best = 0;
        int start = row * batch.vocabularySize();
        for (int id = 1; id < batch.vocabularySize(); id++) {
            if (batch.logits()[start + id] > batch.logits()[start + best]) {
                best = id;
            }
        }
        return best;
    }

    private static boolean contains(int[] ids, int id) {
        return Arrays.stream(ids).anyMatch(other -> other == id);
    }
}
