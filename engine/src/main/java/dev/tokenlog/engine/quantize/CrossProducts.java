package dev.tokenlog.engine.quantize;

/// `Σ y xᵀ` over the tokens of a text, for two inputs of each token: sums in double, for each
/// element in the order of the tokens, so the bits do not depend on how the work is shared out.
public final class CrossProducts {

    /// Rows of one part.
    private static final int BAND = 16;

    private final int columns;
    private final double[][] rows;

    /// @param rows numbers of `y`
    /// @param columns numbers of `x`
    public CrossProducts(int rows, int columns) {
        this.columns = columns;
        this.rows = new double[rows][columns];
    }

    double[] row(int i) {
        return rows[i];
    }

    /// Adds `count` tokens, `(y − base) xᵀ` of each; all arrays have one row for each token.
    public void add(float[] y, float[] base, float[] x, int count, Bands bands) {
        bands.run(
                Math.ceilDiv(rows.length, BAND),
                band -> {
                    int end = Math.min(rows.length, (band + 1) * BAND);
                    for (int i = band * BAND; i < end; i++) {
                        for (int token = 0; token < count; token++) {
                            int at = token * rows.length + i;
                            double factor = (double) y[at] - base[at];
                            add(rows[i], factor, x, token * columns);
                        }
                    }
                });
    }

    private static void add(double[] row, double factor, float[] x, int at) {
        for (int j = 0; j < row.length; j++) {
            row[j] += factor * x[at + j];
        }
    }
}
