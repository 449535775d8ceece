package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Comparator;
import java.util.stream.IntStream;

/// The order in which the columns of a matrix are rounded, and how much of the error of each is put
/// right by those after it.
///
/// With the columns in this order, `H = V D Vᵀ`, `V` unit upper triangular, so
///
/// ```
/// eᵀ H e = Σ_k D_k (e_k + Σ_{j<k} V_jk e_j)²
/// ```
///
/// and column `k` is best rounded from `w_k + Σ_{j<k} V_jk e_j`. This is the rounding of GPTQ
/// (Frantar et al. 2022), in the form that QuIP (Chee et al. 2023) calls LDLQ; columns with the
/// largest inputs come first, as in GPTQ's act-order.
///
/// Computed in double; each element is one sum in a fixed order, so the number of threads changes
/// no bit.
final class Feedback {

    /// Columns whose factors are computed before the rows below them, and rows of one part.
    private static final int BLOCK = 64;

    private final int[] order;
    private final double[][] factors;
    private final double[] diagonal;

    private Feedback(int[] order, double[][] factors, double[] diagonal) {
        this.order = order;
        this.factors = factors;
        this.diagonal = diagonal;
    }

    /// Columns by falling diagonal; of equals the first.
    static int[] order(Hessian hessian) {
        return IntStream.range(0, hessian.size())
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> -hessian.row(i)[i]))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /// @param hessian complete
    /// @param tensor for errors
    static Feedback of(Hessian hessian, Bands bands, String tensor) {
        int n = hessian.size();
        int[] order = order(hessian);
        // The Cholesky factor of the reversed matrix, from which V is read backwards.
        double[][] lower = new double[n][];
        for (int i = 0; i < n; i++) {
            double[] from = hessian.row(order[n - 1 - i]);
            double[] row = new double[i + 1];
            for (int j = 0; j <= i; j++) {
                row[j] = from[order[n - 1 - j]];
            }
            lower[i] = row;
        }
        factorize(lower, bands, tensor);
        double[] diagonal = new double[n];
        for (int k = 0; k < n; k++) {
            double root = lower[n - 1 - k][n - 1 - k];
            diagonal[k] = root * root;
        }
        double[][] factors = new double[n][];
        for (int k = 0; k < n; k++) {
            // V_km for m > k, at m - k - 1.
            factors[k] = new double[n - 1 - k];
            double[] row = lower[n - 1 - k];
            for (int m = k + 1; m < n; m++) {
                factors[k][m - k - 1] = row[n - 1 - m] / lower[n - 1 - m][n - 1 - m];
            }
            if (k > 0) {
                lower[n - k] = null;
            }
        }
        return new Feedback(order, factors, diagonal);
    }

    /// The columns, in the order in which they are rounded.
    int[] order() {
        return order;
    }

    /// `V_km` for all `m > k`, at `m - k - 1`.
    double[] factors(int k) {
        return factors[k];
    }

    /// Solves `H z = y`, in place.
    void solve(double[] y) {
        int n = order.length;
        double[] u = new double[n];
        for (int k = n - 1; k >= 0; k--) {
            double[] row = factors[k];
            double sum = y[order[k]];
            for (int m = k + 1; m < n; m++) {
                sum -= row[m - k - 1] * u[m];
            }
            u[k] = sum;
        }
        for (int k = 0; k < n; k++) {
            u[k] /= diagonal[k];
        }
        for (int k = 0; k < n; k++) {
            double[] row = factors[k];
            double value = u[k];
            for (int m = k + 1; m < n; m++) {
                u[m] -= row[m - k - 1] * value;
            }
            y[order[k]] = value;
        }
    }

    private static void factorize(double[][] a, Bands bands, String tensor) {
        int n = a.length;
        for (int start = 0; start < n; start += BLOCK) {
            int from = start;
            int to = Math.min(n, start + BLOCK);
            for (int i = from; i < to; i++) {
                eliminate(a, i, from, i);
                double pivot = a[i][i] - product(a[i], a[i], i);
                if (!(pivot > 0) || Double.isInfinite(pivot)) {
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            "tensor '%s': the calibration text gives inputs that cannot be told apart (pivot %s)"
                                    .formatted(tensor, pivot));
                }
                a[i][i] = Math.sqrt(pivot);
            }
            bands.run(
                    Math.ceilDiv(n - to, BLOCK),
                    band -> {
                        int first = to + band * BLOCK;
                        int last = Math.min(n, first + BLOCK);
                        for (int i = first; i < last; i++) {
                            eliminate(a, i, from, to);
                        }
                    });
        }
    }

    /// Elements `[from, to)` of row `i`, where rows above and elements before are done.
    private static void eliminate(double[][] a, int i, int from, int to) {
        double[] row = a[i];
        for (int j = from; j < to; j++) {
            row[j] = (row[j] - product(row, a[j], j)) / a[j][j];
        }
    }

    /// The first `count` products, in eight sums that are added by halves.
    private static double product(double[] x, double[] y, int count) {
        int whole = count & -8;
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        double s4 = 0;
        double s5 = 0;
        double s6 = 0;
        double s7 = 0;
        for (int k = 0; k < whole; k += 8) {
            s0 += x[k] * y[k];
            s1 += x[k + 1] * y[k + 1];
            s2 += x[k + 2] * y[k + 2];
            s3 += x[k + 3] * y[k + 3];
            s4 += x[k + 4] * y[k + 4];
            s5 += x[k + 5] * y[k + 5];
            s6 += x[k + 6] * y[k + 6];
            s7 += x[k + 7] * y[k + 7];
        }
        double sum = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7));
        for (int k = whole; k < count; k++) {
            sum += x[k] * y[k];
        }
        return sum;
    }
}
