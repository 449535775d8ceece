package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/// Finds the codes of a model's matrices with the help of a text, while the model is converted: see
/// the package `calibrate`. Asked for tensor after tensor in the order of the plan.
public interface Calibrator extends AutoCloseable {

    /// What is quantized: the model that was given, or the same with changes folded into its
    /// weights that take each other back.
    SourceModel source();

    /// Whether this one finds the codes of a tensor; those of the others are found without text.
    boolean isFor(PlannedTensor tensor);

    /// The code of a matrix in the layers.
    ///
    /// @param usual what the recipe says
    NumberCode code(PlannedTensor tensor, NumberCode usual);

    /// The rows of a matrix with their codes.
    ///
    /// @param groupSize columns that share a scale
    RowSource calibrate(PlannedTensor tensor, NumberCode code, int groupSize);

    /// A matrix is done, by this attempt or an earlier one: what follows sees it as it is stored.
    ///
    /// @param stored reads it back into an arena of the calibrator's
    void done(PlannedTensor tensor, Function<Arena, Matrix> stored);

    @Override
    void close();

    /// Makes the calibrator of one conversion.
    @FunctionalInterface
    interface Provider {

        /// @param recipe says how to calibrate, and the digest of the text
        /// @param threads that may be used; their number changes no bit
        /// @param cancelled asked often; true ends it with a `CancellationException`
        Calibrator open(SourceModel source, Recipe recipe, int threads, BooleanSupplier cancelled);
    }
}
