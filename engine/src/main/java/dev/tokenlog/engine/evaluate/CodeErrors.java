package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.artifact.SourceTensor;
import dev.tokenlog.engine.quantize.ErrorMeasures;
import dev.tokenlog.engine.quantize.QuantizedRows;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/// What number codes lose of weights that are independent Gaussian or Laplace numbers, and of a
/// model's: `‖w − ŵ‖ / ‖w‖`.
public final class CodeErrors {

    /// Weights of a model that a code is tried on, at most: rows are left out beyond.
    private static final long MOST = 1 << 22;

    private static final int ROWS = 256;
    private static final int COLUMNS = 2048;

    private final List<Sample> gaussian = List.of(new Sample(made(Random::nextGaussian), ROWS, 1));
    private final List<Sample> laplace = List.of(new Sample(made(CodeErrors::laplace), ROWS, 1));
    private final List<Sample> model = new ArrayList<>();

    /// @param source its layers' matrices are the trained weights, each of its tensors only as long
    ///   as it is open
    public CodeErrors(SourceModel source) {
        List<PlannedTensor> matrices =
                source.plannedTensors().stream()
                        .filter(tensor -> tensor.kind().isQuantizable() && tensor.layer() >= 0)
                        .toList();
        long weights = matrices.stream().mapToLong(PlannedTensor::elements).sum();
        int step = (int) Math.ceilDiv(weights, MOST);
        for (PlannedTensor planned : matrices) {
            SourceTensor tensor = source.tensor(planned.name());
            model.add(new Sample(tensor, planned.rows(), step));
        }
    }

    /// Every `step`th row.
    private record Sample(RowSource rows, int count, int step) {}

    /// @param bitsPerWeight with scales and zero points, in rows of 2048 weights
    /// @param gaussian relative error, likewise the others
    public record Errors(double bitsPerWeight, double gaussian, double laplace, double model) {

        /// Nothing that stores Gaussian numbers in so many bits loses less: `D(R) = 2^(−2R)`.
        public double gaussianBound() {
            return Math.pow(2, -bitsPerWeight);
        }

        /// Nothing that stores Laplace numbers in so many bits loses less, by Shannon's lower
        /// bound: `D(R) ≥ e/π · 2^(−2R)`.
        public double laplaceBound() {
            return Math.sqrt(Math.E / Math.PI) * gaussianBound();
        }
    }

    /// @param groupSize columns that share a scale, or [Recipe#PER_ROW]
    public Errors of(NumberCode code, int groupSize) {
        long groups = groupSize == Recipe.PER_ROW ? 1 : COLUMNS / groupSize;
        long bytes = code.bytesPerRow(COLUMNS) + groups * (code.hasZeroPoints() ? 3 : 2);
        return new Errors(
                8.0 * bytes / COLUMNS,
                error(gaussian, code, groupSize),
                error(laplace, code, groupSize),
                error(model, code, groupSize));
    }

    private static double error(List<Sample> samples, NumberCode code, int groupSize) {
        Scales scales = Recipe.usualScales(code);
        return samples.parallelStream()
                .map(sample -> errors(sample, code, groupSize, scales))
                .reduce(new ErrorMeasures(), CodeErrors::sum)
                .relativeL2();
    }

    private static ErrorMeasures errors(
            Sample sample, NumberCode code, int groupSize, Scales scales) {
        int columns = sample.rows().columns();
        ErrorMeasures errors = new ErrorMeasures();
        for (int row = 0; row < sample.count(); row += sample.step()) {
            int group = groupSize == Recipe.PER_ROW ? columns : groupSize;
            errors.merge(
                    QuantizedRows.of(sample.rows(), code, group, scales, row, row + 1).errors());
        }
        return errors;
    }

    private static ErrorMeasures sum(ErrorMeasures one, ErrorMeasures other) {
        ErrorMeasures both = new ErrorMeasures();
        both.merge(one);
        both.merge(other);
        return both;
    }

    private static double laplace(Random random) {
        double u = random.nextDouble() - 0.5;
        return -Math.signum(u) * Math.log(1 - 2 * Math.abs(u));
    }

    private static RowSource made(ToDoubleFunction<Random> number) {
        return new RowSource() {
            @Override
            public String name() {
                return "made";
            }

            @Override
            public int columns() {
                return COLUMNS;
            }

            @Override
            public void row(int row, float[] into) {
                Random random = new Random(row);
                for (int i = 0; i < into.length; i++) {
                    into[i] = (float) (0.02 * number.applyAsDouble(random));
                }
            }
        };
    }
}
