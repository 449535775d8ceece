package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.quantize.HadamardRotation;

/// A change of a tensor that a change of its neighbours takes back: `w' = R · diag(r) · w · diag(c)
/// · C`, with rotations `R` and `C`. A vector has rows only, or other values in place of its own.
///
/// @param columnFactors `c`; null: 1
/// @param columnRotation `C`, of as many columns as it is long, one range after the other; null:
///   none
/// @param rowFactors `r`, for as many rows as it is long, from `firstRow` on; null: 1
/// @param rowRotation `R`; null: none
/// @param firstRow that `r` and `R` change
/// @param rowCount that `R` changes, range after range
/// @param values in place of those of a vector; null: its own
public record TensorFold(
        double[] columnFactors,
        HadamardRotation columnRotation,
        double[] rowFactors,
        HadamardRotation rowRotation,
        int firstRow,
        int rowCount,
        float[] values) {

    /// Nothing is changed.
    public static final TensorFold NONE = new TensorFold(null, null, null, null, 0, 0, null);

    /// A vector of other values.
    public static TensorFold values(float[] values) {
        return new TensorFold(null, null, null, null, 0, 0, values);
    }

    public TensorFold withColumns(double[] factors, HadamardRotation rotation) {
        return new TensorFold(
                factors, rotation, rowFactors, rowRotation, firstRow, rowCount, values);
    }

    public TensorFold withRowRotation(HadamardRotation rotation, int first, int count) {
        return new TensorFold(
                columnFactors, columnRotation, rowFactors, rotation, first, count, values);
    }

    public TensorFold withRowFactors(double[] factors, int first) {
        return new TensorFold(
                columnFactors, columnRotation, factors, rowRotation, first, rowCount, values);
    }

    /// The columns of a row, in place, and its factor.
    void row(double[] x, int row) {
        if (columnFactors != null) {
            for (int i = 0; i < x.length; i++) {
                x[i] *= columnFactors[i];
            }
        }
        if (columnRotation != null) {
            for (int i = 0; i < x.length; i += columnRotation.size()) {
                columnRotation.apply(x, i);
            }
        }
        if (rowFactors != null && row >= firstRow && row < firstRow + rowFactors.length) {
            for (int i = 0; i < x.length; i++) {
                x[i] *= rowFactors[row - firstRow];
            }
        }
    }

    /// A column of a matrix, or a vector, in place.
    void rotateRows(double[] column) {
        for (int i = firstRow; i < firstRow + rowCount; i += rowRotation.size()) {
            rowRotation.apply(column, i);
        }
    }
}
