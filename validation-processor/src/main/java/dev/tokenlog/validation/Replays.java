package dev.tokenlog.validation;

import dev.tokenlog.engine.evaluate.CandidateReport;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;

/// Computes past generations again.
interface Replays extends AutoCloseable {

    /// How to compute.
    ///
    /// @param compute kernels; null: as configured
    /// @param threads null: as configured
    record Settings(String compute, Integer threads) {}

    /// @param equal whether prompt, tokens and end are those of the log
    /// @param firstDifference see [dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged]
    /// @param message what differs; null where nothing does
    /// @param compute what computed, in words
    record Outcome(boolean equal, int firstDifference, String message, String compute) {}

    /// @param report the comparison
    /// @param numericsId of the candidate
    record Compared(CandidateReport report, String numericsId) {}

    /// Whether the generation is what its model gives under the numerics id of each attempt.
    ///
    /// @param artifact folder of the model that made it
    /// @param stop asked often; true ends it with a [java.util.concurrent.CancellationException]
    /// @throws dev.tokenlog.engine.EngineException `MODEL_UNREADABLE`, `UNSUPPORTED` or what the
    ///   engine says
    Outcome verify(
            LoggedGeneration generation, Path artifact, Settings settings, BooleanSupplier stop);

    /// What a candidate would have made of it.
    ///
    /// @param candidate folder of the candidate's artifact
    /// @param candidateDigest that it must have
    /// @param artifact of the model that made the generation
    Compared compare(
            LoggedGeneration generation,
            Path candidate,
            String candidateDigest,
            Path artifact,
            BooleanSupplier stop);

    /// Lets go of the models that are open.
    void release();

    @Override
    default void close() {
        release();
    }
}
