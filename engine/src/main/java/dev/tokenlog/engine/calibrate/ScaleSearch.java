package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.artifact.SourceTensor;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.quantize.Hessian;
import dev.tokenlog.engine.quantize.QuantizedRows;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Tries powers of the inputs' magnitudes as factors of the columns of matrices that share an
/// input, and keeps those with which rounding to nearest makes the least error in the outputs.
final class ScaleSearch {

    /// Powers tried, from 0 to 1.
    private static final int STEPS = 20;

    /// Rows of a matrix that are tried at most, evenly spread.
    private static final int ROWS = 64;

    /// Of the mean magnitude: inputs below count as that large.
    private static final double LEAST = 1e-3;

    private final Recipe recipe;
    private final PoolBands bands;

    ScaleSearch(Recipe recipe, PoolBands bands) {
        this.recipe = recipe;
        this.bands = bands;
    }

    /// @param magnitudes one for each column, above 0 but for inputs that are never there
    /// @return factors, one for each column, 1 in the geometric mean
    double[] find(SourceModel source, List<String> names, Hessian products, double[] magnitudes) {
        double[][] errors = new double[STEPS + 1][names.size()];
        float[][][] rows = names.stream().map(name -> some(source, name)).toArray(float[][][]::new);
        int[] strides =
                names.stream()
                        .mapToInt(name ->
                                stride(Math.toIntExact(source.tensor(name).shape().getFirst())))
                        .toArray();
        bands.run(
                errors.length * names.size(),
                part -> {
                    int step = part / names.size();
                    int matrix = part % names.size();
                    errors[step][matrix] =
                            strides[matrix]
                                    * error(
                                            names.get(matrix),
                                            rows[matrix],
                                            factors(magnitudes, step),
                                            products);
                });
        int best = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int step = 0; step <= STEPS; step++) {
            double sum = 0;
            for (double error : errors[step]) {
                sum += error;
            }
            if (sum < least) {
                least = sum;
                best = step;
            }
        }
        return factors(magnitudes, best);
    }

    private static double[] factors(double[] magnitudes, int step) {
        double mean = 0;
        for (double magnitude : magnitudes) {
            mean += magnitude / magnitudes.length;
        }
        double[] factors = new double[magnitudes.length];
        double logarithms = 0;
        for (int i = 0; i < factors.length; i++) {
            double magnitude = mean == 0 ? 1 : Math.max(magnitudes[i], LEAST * mean);
            factors[i] = StrictMath.log(magnitude) * step / STEPS;
            logarithms += factors[i] / factors.length;
        }
        for (int i = 0; i < factors.length; i++) {
            factors[i] = StrictMath.exp(factors[i] - logarithms);
        }
        return factors;
    }

    /// Evenly spread.
    private static float[][] some(SourceModel source, String name) {
        SourceTensor tensor = source.tensor(name);
        int all = Math.toIntExact(tensor.shape().getFirst());
        int stride = stride(all);
        float[][] rows = new float[Math.ceilDiv(all, stride)][tensor.columns()];
        for (int i = 0; i < rows.length; i++) {
            tensor.row(i * stride, rows[i]);
        }
        return rows;
    }

    private static int stride(int rows) {
        return Math.max(1, rows / ROWS);
    }

    private double error(String name, float[][] rows, double[] factors, Hessian products) {
        int columns = factors.length;
        float[][] scaled = new float[rows.length][columns];
        for (int r = 0; r < rows.length; r++) {
            for (int i = 0; i < columns; i++) {
                scaled[r][i] = (float) (rows[r][i] * factors[i]);
            }
        }
        int groupSize = recipe.groupSize() == Recipe.PER_ROW ? columns : recipe.groupSize();
        QuantizedRows quantized =
                QuantizedRows.of(
                        new Rows(name, scaled),
                        recipe.code(),
                        groupSize,
                        recipe.scales(),
                        0,
                        rows.length);
        double sum = 0;
        try (Arena arena = Arena.ofConfined()) {
            Matrix matrix =
                    new Matrix.Quantized(
                            name,
                            recipe.code(),
                            rows.length,
                            columns,
                            groupSize,
                            copied(quantized.codes(), arena),
                            copied(quantized.scales(), arena),
                            recipe.code().hasZeroPoints()
                                    ? copied(quantized.zeros(), arena)
                                    : null);
            float[] found = new float[columns];
            double[] e = new double[columns];
            for (int r = 0; r < rows.length; r++) {
                Dequantizer.row(matrix, r, found);
                for (int i = 0; i < columns; i++) {
                    e[i] = found[i] / factors[i] - rows[r][i];
                }
                sum += products.error(e);
            }
        }
        return sum;
    }

    private static MemorySegment copied(byte[] bytes, Arena arena) {
        MemorySegment segment = arena.allocate(bytes.length, 64);
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, segment, 0, bytes.length);
        return segment;
    }

    private record Rows(String name, float[][] values) implements RowSource {

        @Override
        public int columns() {
            return values[0].length;
        }

        @Override
        public void row(int row, float[] into) {
            System.arraycopy(values[row], 0, into, 0, into.length);
        }
    }
}
