package dev.tokenlog.engine.quantize;

import java.util.Arrays;

/// Zeros in place of the weights of least magnitude of a row. What those weights did is lost; what
/// is left packs better.
///
/// @param percent of a row's weights, rounded down to whole ones; 0: none
public record Sparsity(int percent) {

    public static final Sparsity NONE = new Sparsity(0);

    /// The row with zeros; of weights of the same magnitude, those of the first columns go.
    ///
    /// @return the row itself where nothing goes
    float[] of(float[] row) {
        int zeros = (int) ((long) row.length * percent / 100);
        if (zeros == 0) {
            return row;
        }
        float[] magnitudes = new float[row.length];
        for (int i = 0; i < row.length; i++) {
            magnitudes[i] = Math.abs(row[i]);
        }
        float[] sorted = magnitudes.clone();
        Arrays.sort(sorted);
        float most = sorted[zeros - 1];
        int equal = zeros;
        for (int i = 0; i < zeros && sorted[i] < most; i++) {
            equal--;
        }
        float[] sparse = row.clone();
        for (int i = 0; i < row.length; i++) {
            if (magnitudes[i] < most || magnitudes[i] == most && equal-- > 0) {
                sparse[i] = 0;
            }
        }
        return sparse;
    }
}
