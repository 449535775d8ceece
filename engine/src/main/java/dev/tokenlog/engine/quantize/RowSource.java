package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Optional;

/// Rows of a matrix, one by one, as floats; and as codes where the matrix is made of a code that
/// ours hold exactly. Safe for use by several threads at once.
public interface RowSource {

    /// Names the tensor in errors.
    String name();

    int columns();

    /// @param into gets `columns()` values
    void row(int row, float[] into);

    /// The whole matrix, where it lies in memory as floats; its rows are what [#row] gives.
    default Optional<Matrix.Float> floats() {
        return Optional.empty();
    }

    /// Whether every row is made of the code, with one F16 scale, and a zero point where the code
    /// has one, for each group of this size: then [#codes] gives them, and nothing has to be
    /// quantized.
    default boolean holds(NumberCode code, int groupSize) {
        return false;
    }

    /// @param code one that the source [#holds]
    /// @param q gets `columns()` codes, as [GroupCode] has them
    /// @param scales gets the F16 bits of each group's scale
    /// @param zeros gets each group's zero point; stays as it is where the code has none
    default void codes(NumberCode code, int row, short[] q, short[] scales, byte[] zeros) {
        throw new UnsupportedOperationException(name() + " has no codes");
    }
}
