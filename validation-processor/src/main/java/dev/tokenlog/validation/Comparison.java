package dev.tokenlog.validation;

import dev.tokenlog.engine.evaluate.ComparisonReport;
import dev.tokenlog.engine.evaluate.TensorError;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Measures an artifact against its baseline.
interface Comparison {

    /// @param text the held-out text's name
    record Measurement(ComparisonReport report, List<TensorError> tensors, String text) {}

    /// @param artifact folder; every byte is held against its digest
    /// @param modelDigest that the artifact must have
    /// @param baseline folder of the source in float
    /// @param stop asked often; true ends the comparison with a
    ///   [java.util.concurrent.CancellationException]
    /// @throws dev.tokenlog.engine.EngineException `MODEL_UNREADABLE`, `SOURCE_NOT_FOUND`,
    ///   `SOURCE_UNREADABLE`, `UNSUPPORTED` or `NON_FINITE`
    Measurement compare(Path artifact, String modelDigest, Path baseline, BooleanSupplier stop);

    /// The arithmetic that artifacts are run with.
    String numericsId();
}
