package dev.tokenlog.engine.quantize;

import java.util.Arrays;
import java.util.Optional;
import java.util.Random;

/// A rotation that spreads every number over all the others: `x → x Q`, `Q = S H / √n`, `H` a
/// Hadamard matrix (elements ±1, rows orthogonal), `S` random signs. Outliers in single columns are
/// gone afterwards, and weights look like independent normal numbers (QuIP#, Tseng et al. 2024;
/// QuaRot, Ashkboos et al. 2024).
///
/// `H` is the Kronecker product of a core and Sylvester's matrix of a power of two: the core of
/// order 1, or one of Paley's, of order `q + 1` or `2 (q + 1)` for a prime `q`. In double, in a
/// fixed order: the same bits everywhere.
public final class HadamardRotation {

    /// Hidden sizes of known models need cores of up to 60.
    private static final int MAX_CORE = 512;

    private final int size;
    private final int[][] core;
    private final double[] factors;

    private HadamardRotation(int size, int[][] core, long seed) {
        this.size = size;
        this.core = core;
        // The algorithm of this class is part of its specification.
        Random random = new Random(seed);
        double unit = 1 / Math.sqrt(size);
        this.factors = new double[size];
        for (int i = 0; i < size; i++) {
            factors[i] = random.nextBoolean() ? unit : -unit;
        }
    }

    /// @param seed of the signs
    /// @return empty where no Hadamard matrix of this order is known here
    public static Optional<HadamardRotation> of(int size, long seed) {
        if (size < 1) {
            return Optional.empty();
        }
        return core(size).map(core -> new HadamardRotation(size, core, seed));
    }

    public int size() {
        return size;
    }

    /// Rotates the `size` numbers from `from` on.
    public void apply(double[] x, int from) {
        for (int i = 0; i < size; i++) {
            x[from + i] *= factors[i];
        }
        int power = size / core.length;
        for (int block = from; block < from + size; block += power) {
            sylvester(x, block, power);
        }
        if (core.length > 1) {
            mix(x, from, power);
        }
    }

    /// The fast transform of a power of two.
    private static void sylvester(double[] x, int from, int count) {
        for (int half = 1; half < count; half *= 2) {
            for (int start = from; start < from + count; start += 2 * half) {
                for (int i = start; i < start + half; i++) {
                    double a = x[i];
                    double b = x[i + half];
                    x[i] = a + b;
                    x[i + half] = a - b;
                }
            }
        }
    }

    private void mix(double[] x, int from, int power) {
        double[] mixed = new double[core.length];
        for (int k = 0; k < power; k++) {
            Arrays.fill(mixed, 0);
            for (int c = 0; c < core.length; c++) {
                double value = x[from + c * power + k];
                int[] row = core[c];
                for (int to = 0; to < mixed.length; to++) {
                    mixed[to] += row[to] * value;
                }
            }
            for (int c = 0; c < core.length; c++) {
                x[from + c * power + k] = mixed[c];
            }
        }
    }

    private static Optional<int[][]> core(int size) {
        int order = size >> Integer.numberOfTrailingZeros(size);
        if (order == 1) {
            return Optional.of(new int[][] {{1}});
        }
        for (; size % order == 0 && order <= MAX_CORE; order *= 2) {
            if (order % 4 == 0 && isPrime(order - 1)) {
                return Optional.of(paley(order - 1));
            }
            if (order % 4 == 0 && (order / 2 - 1) % 4 == 1 && isPrime(order / 2 - 1)) {
                return Optional.of(doubled(order / 2 - 1));
            }
        }
        return Optional.empty();
    }

    private static boolean isPrime(int n) {
        for (int i = 2; i * i <= n; i++) {
            if (n % i == 0) {
                return false;
            }
        }
        return n > 1;
    }

    /// `q ≡ 3 mod 4`: `I` and a matrix of Legendre symbols, bordered by ones; of order `q + 1`.
    private static int[][] paley(int q) {
        int[][] matrix = bordered(q);
        for (int i = 1; i <= q; i++) {
            matrix[i][0] = -1;
        }
        for (int i = 0; i <= q; i++) {
            matrix[i][i] = 1;
        }
        return matrix;
    }

    /// `q ≡ 1 mod 4`: the bordered matrix `C` is symmetric, and `C ⊗ [[1, 1], [1, −1]] + I ⊗ [[1,
    /// −1], [−1, −1]]` is of order `2 (q + 1)`.
    private static int[][] doubled(int q) {
        int[][] half = bordered(q);
        int[][] matrix = new int[2 * half.length][2 * half.length];
        for (int i = 0; i < half.length; i++) {
            for (int j = 0; j < half.length; j++) {
                int c = half[i][j];
                int one = i == j ? 1 : 0;
                matrix[2 * i][2 * j] = c + one;
                matrix[2 * i][2 * j + 1] = c - one;
                matrix[2 * i + 1][2 * j] = c - one;
                matrix[2 * i + 1][2 * j + 1] = -c - one;
            }
        }
        return matrix;
    }

    /// Legendre symbols of `i − j`, with a border of ones and zeros on the diagonal.
    private static int[][] bordered(int q) {
        int[] symbol = new int[q];
        Arrays.fill(symbol, -1);
        for (int i = 1; i < q; i++) {
            symbol[(int) ((long) i * i % q)] = 1;
        }
        symbol[0] = 0;
        int[][] matrix = new int[q + 1][q + 1];
        for (int i = 1; i <= q; i++) {
            matrix[0][i] = 1;
            matrix[i][0] = 1;
            for (int j = 1; j <= q; j++) {
                matrix[i][j] = symbol[Math.floorMod(i - j, q)];
            }
        }
        return matrix;
    }
}
