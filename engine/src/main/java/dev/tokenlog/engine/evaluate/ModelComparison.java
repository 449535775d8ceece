package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.transformer.Executor;
import java.util.List;
import java.util.concurrent.CancellationException;

/// Teacher-forced comparison of two models: both read the same text and, at every position, predict
/// the next token of it. Needs memory for a chunk of positions and a few numbers per position,
/// whatever the length of the text.
public final class ModelComparison {

    /// Floats of logits that each model may keep at once.
    private static final int MAX_LOGITS = 1 << 21;

    private static final int MAX_CHUNK = 64;

    private ModelComparison() {}

    /// Told after each chunk of positions.
    @FunctionalInterface
    public interface Progress {

        /// @return false to stop: the comparison then ends with a [CancellationException]
        boolean compared(long positions, long ofPositions);
    }

    /// @param documents token ids; each document is a context of its own, and its first token is
    ///   given, not predicted
    /// @throws EngineException `UNSUPPORTED` if the vocabularies differ, `CONTEXT_TOO_LONG` if a
    ///   document does not fit
    /// @throws CancellationException if `progress` asks for it
    public static ComparisonReport compare(
            Executor quantized, Executor baseline, List<int[]> documents, Progress progress) {
        int vocabulary = baseline.plan().vocabularySize();
        if (quantized.plan().vocabularySize() != vocabulary) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "vocabularies of "
                            + quantized.plan().vocabularySize()
                            + " and "
                            + vocabulary
                            + " tokens cannot be compared");
        }
        int context = Math.min(quantized.plan().contextLength(), baseline.plan().contextLength());
        long positions = 0;
        for (int[] document : documents) {
            if (document.length > context) {
                throw new EngineException(
                        Reason.CONTEXT_TOO_LONG,
                        "a document of " + document.length + " tokens in a context of " + context);
            }
            positions += Math.max(0, document.length - 1);
        }
        if (positions == 0) {
            throw new IllegalArgumentException("the documents predict no token");
        }
        int chunk = Math.clamp(MAX_LOGITS / vocabulary, 1, MAX_CHUNK);
        Divergence divergence = new Divergence(vocabulary, Math.toIntExact(positions));
        try (ForcedReader q = new ForcedReader(quantized, chunk);
                ForcedReader b = new ForcedReader(baseline, chunk)) {
            for (int[] document : documents) {
                divergence.beginDocument();
                q.begin(document);
                b.begin(document);
                while (b.remaining() > 0) {
                    int rows = b.read();
                    if (q.read() != rows) {
                        throw new IllegalStateException("the models are out of step");
                    }
                    if (q.isNonFinite() || b.isNonFinite()) {
                        return divergence.report(
                                false,
                                documents.size(),
                                baseline.numericsId(),
                                quantized.numericsId());
                    }
                    for (int row = 0; row < rows; row++) {
                        divergence.add(
                                q.logits(),
                                row * vocabulary,
                                b.logits(),
                                row * vocabulary,
                                document[b.position() - rows + row + 1]);
                    }
                    if (!progress.compared(divergence.positions(), positions)) {
                        throw new CancellationException("the comparison was stopped");
                    }
                }
            }
        }
        return divergence.report(
                true, documents.size(), baseline.numericsId(), quantized.numericsId());
    }
}
