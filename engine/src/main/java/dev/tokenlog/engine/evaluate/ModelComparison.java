package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.transformer.Executor;
import java.util.List;

/// Teacher-forced comparison of two models on the same text.
public final class ModelComparison {

    private ModelComparison() {}

    /// Told after each chunk of positions.
    public interface Progress {

        /// @return false to stop; [#compare] then throws
        ///   [java.util.concurrent.CancellationException]
        boolean compared(long positions, long ofPositions);
    }

    /// @param documents token ids; each document is a context of its own
    public static ComparisonReport compare(
            Executor quantized, Executor baseline, List<int[]> documents, Progress progress) {
        throw new UnsupportedOperationException();
    }
}
