package dev.tokenlog.engine.quantize;

/// What the inputs of a matrix say about errors of its weights: `H = Σ x xᵀ` over the tokens of a
/// text. The squared error that a row's error `e` makes in its output, summed over those tokens, is
/// `eᵀ H e`.
///
/// Sums are in double, for each element in the order of the tokens: however the work is shared out,
/// the bits are the same.
public final class Hessian {

    /// Rows of one part.
    private static final int BAND = 16;

    private final int size;
    private final double[][] rows;
    private long tokens;

    /// @param size columns of the matrix
    public Hessian(int size) {
        this.size = size;
        this.rows = new double[size][size];
    }

    public int size() {
        return size;
    }

    /// Tokens added so far.
    public long tokens() {
        return tokens;
    }

    /// Row `i`; all of it is there after [#complete] only.
    double[] row(int i) {
        return rows[i];
    }

    /// Adds `count` tokens, one row of `size` numbers each, from the beginning of `x`.
    public void add(float[] x, int count, Bands bands) {
        bands.run(
                Math.ceilDiv(size, BAND),
                band -> {
                    int end = Math.min(size, (band + 1) * BAND);
                    for (int i = band * BAND; i < end; i++) {
                        add(rows[i], x, count, i);
                    }
                });
        tokens += count;
    }

    /// Adds to the elements `0` to `i` of row `i`.
    private void add(double[] row, float[] x, int count, int i) {
        int token = 0;
        for (; token + 3 < count; token += 4) {
            int at = token * size;
            addFour(row, x, at, at + size, at + 2 * size, at + 3 * size, i);
        }
        for (; token < count; token++) {
            int at = token * size;
            double factor = x[at + i];
            for (int j = 0; j <= i; j++) {
                row[j] += factor * x[at + j];
            }
        }
    }

    /// Four tokens, one after the other.
    private static void addFour(double[] row, float[] x, int a, int b, int c, int d, int i) {
        double fa = x[a + i];
        double fb = x[b + i];
        double fc = x[c + i];
        double fd = x[d + i];
        for (int j = 0; j <= i; j++) {
            row[j] = row[j] + fa * x[a + j] + fb * x[b + j] + fc * x[c + j] + fd * x[d + j];
        }
    }

    /// Mirrors the half that has been summed and adds `damping` times the mean of the diagonal to
    /// the diagonal: inputs that the text never showed count a little. Where there was no token,
    /// every input counts the same.
    public void complete(double damping) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
            sum += rows[i][i];
        }
        double added = sum == 0 ? 1 : damping * sum / size;
        for (int i = 0; i < size; i++) {
            for (int j = 0; j < i; j++) {
                rows[j][i] = rows[i][j];
            }
            rows[i][i] += added;
        }
    }

    /// A copy of the diagonal, which lies together.
    double[] diagonal() {
        double[] diagonal = new double[size];
        for (int i = 0; i < size; i++) {
            diagonal[i] = rows[i][i];
        }
        return diagonal;
    }

    /// Of each column the largest magnitude of its correlation with another one, `|H_ij| / √(H_ii
    /// H_jj)`; complete.
    double[] correlations(Bands bands) {
        double[] diagonal = diagonal();
        double[] largest = new double[size];
        bands.run(
                Math.ceilDiv(size, BAND),
                band -> {
                    int end = Math.min(size, (band + 1) * BAND);
                    for (int i = band * BAND; i < end; i++) {
                        double square = 0;
                        for (int j = 0; j < size; j++) {
                            if (j != i) {
                                square = Math.max(square, rows[i][j] * rows[i][j] / diagonal[j]);
                            }
                        }
                        largest[i] = Math.sqrt(square / diagonal[i]);
                    }
                });
        return largest;
    }

    /// `eᵀ H e`.
    public double error(double[] e) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
            double product = 0;
            double[] row = rows[i];
            for (int j = 0; j < size; j++) {
                product += row[j] * e[j];
            }
            sum += e[i] * product;
        }
        return sum;
    }
}
