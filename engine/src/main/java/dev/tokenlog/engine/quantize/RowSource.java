package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;

/// Rows of a matrix, one by one, as floats; and as codes where the matrix is made of a code that
/// ours hold exactly. Safe for use by several threads at once.
public interface RowSource {

    /// Names the tensor in errors.
    String name();

    int columns();

    /// @param into gets `columns()` values
    void row(int row, float[] into);

    /// Whether every row is `q · s` with integers of the code and one F16 scale for each group of
    /// this size: then [#codes] gives both, and nothing has to be quantized.
    default boolean holds(NumberCode code, int groupSize) {
        return false;
    }

    /// @param q gets `columns()` integers
    /// @param scales gets the F16 bits of each group's scale
    default void codes(int row, byte[] q, short[] scales) {
        throw new UnsupportedOperationException(name() + " has no codes");
    }
}
