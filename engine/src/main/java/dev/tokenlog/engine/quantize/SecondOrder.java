package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Arrays;
import java.util.stream.IntStream;

/// Finds codes and scales of a matrix that make its output, not its weights, as little wrong as can
/// be: of every row the `eᵀ H e` of its error.
///
/// For each row: scales by a search over the weighted squared error; codes column by column, the
/// error of each put right by those after it ([Feedback]); then scales, codes and pairs of codes to
/// better places ([RowSearch]). The scales that come out of this suit what columns are rounded from
/// better than the first ones, so with them the codes are found once more, at most [#REPEATS]
/// times, as long as the row gets better.
///
/// Everything is computed in double in a fixed order, row by row: the number of threads changes no
/// bit.
public final class SecondOrder {

    /// Rows that go through the columns together: the factors are read from memory once for all of
    /// them.
    private static final int ROWS = 16;

    /// How often the codes of a row are found once more at most.
    private static final int REPEATS = 3;

    private final Feedback feedback;
    private final Bands bands;
    private final RowSearch.Columns columns;
    private final CrossProducts inputs;
    private final CrossProducts residual;

    /// @param hessian of the inputs `x` that the matrix gets, complete
    /// @param inputs `Σ (x' − x) xᵀ`, where `x'` is what the float model has in place of `x`; null:
    ///   the same
    /// @param residual `Σ (h' − h) xᵀ`, where the product is added to `h`, and the float model has
    ///   `h'` in its place; null: not to be made up for
    /// @param tensor for errors
    public SecondOrder(
            Hessian hessian,
            CrossProducts inputs,
            CrossProducts residual,
            Bands bands,
            String tensor) {
        this.inputs = inputs;
        this.residual = residual;
        this.bands = bands;
        this.feedback = Feedback.of(hessian, bands, tensor);
        this.columns =
                new RowSearch.Columns(
                        hessian, hessian.diagonal(), hessian.correlations(bands), feedback.order());
    }

    /// @param groupSize columns that share a scale
    /// @throws EngineException `UNSUPPORTED`, naming tensor, row and column: a value is not finite,
    ///   or a scale does not fit F16
    public CalibratedRows quantize(RowSource source, int rows, NumberCode code, int groupSize) {
        int columns = source.columns();
        int groups = Math.ceilDiv(columns, groupSize);
        short[] q = new short[Math.multiplyExact(rows, columns)];
        short[] scales = new short[Math.multiplyExact(rows, groups)];
        byte[] zeros = new byte[scales.length];
        bands.run(
                Math.ceilDiv(rows, ROWS),
                band -> {
                    int from = band * ROWS;
                    int count = Math.min(ROWS, rows - from);
                    RowSearch[] block = new RowSearch[count];
                    for (int r = 0; r < count; r++) {
                        block[r] = begin(source, from + r, code, groupSize);
                    }
                    find(block);
                    for (int r = 0; r < count; r++) {
                        System.arraycopy(block[r].codes(), 0, q, (from + r) * columns, columns);
                        System.arraycopy(block[r].scales(), 0, scales, (from + r) * groups, groups);
                        System.arraycopy(block[r].zeros(), 0, zeros, (from + r) * groups, groups);
                    }
                });
        return new CalibratedRows(source, code, groupSize, q, scales, zeros);
    }

    private RowSearch begin(RowSource source, int row, NumberCode code, int groupSize) {
        float[] x = new float[source.columns()];
        source.row(row, x);
        QuantizedRows.checkFinite(x, source.name(), row);
        double[] w = new double[x.length];
        for (int i = 0; i < w.length; i++) {
            w[i] = x[i];
        }
        if (inputs != null) {
            makeUp(row, w);
        }
        return new RowSearch(
                "tensor '%s' row %d".formatted(source.name(), row),
                w,
                GroupCode.of(code),
                groupSize,
                columns);
    }

    /// Leaves the best that is found of each row in its place.
    private void find(RowSearch[] block) {
        round(block);
        int[] open = IntStream.range(0, block.length).toArray();
        for (int repeat = 0; repeat < REPEATS && open.length > 0; repeat++) {
            RowSearch[] again = new RowSearch[open.length];
            for (int k = 0; k < open.length; k++) {
                again[k] = block[open[k]].withScalesKept();
            }
            round(again);
            int better = 0;
            for (int k = 0; k < again.length; k++) {
                if (again[k].error() < block[open[k]].error()) {
                    block[open[k]] = again[k];
                    open[better++] = open[k];
                }
            }
            open = Arrays.copyOf(open, better);
        }
    }

    /// Column after column, the error of each carried to those after it; then to better places.
    private void round(RowSearch[] block) {
        int[] order = feedback.order();
        int columns = order.length;
        double[][] carried = new double[block.length][columns];
        for (int k = 0; k < columns; k++) {
            double[] factors = feedback.factors(k);
            for (int r = 0; r < block.length; r++) {
                double error = block[r].round(order[k], carried[r][k]);
                if (error != 0) {
                    carry(error, factors, carried[r], k + 1);
                }
            }
        }
        for (RowSearch row : block) {
            // Of 14,336 columns a row may take seconds, and there are sixteen.
            bands.requireGoOn();
            row.improve();
        }
    }

    /// Adds `error` times the factors from a place on.
    static void carry(double error, double[] factors, double[] carried, int from) {
        for (int m = 0; m < factors.length; m++) {
            carried[from + m] += error * factors[m];
        }
    }

    /// Moves a row to where its output on what the quantized model feeds it is nearest to the float
    /// model's: `w + (w Σ (x' − x) xᵀ + Σ (h' − h) xᵀ) H⁻¹`.
    private void makeUp(int row, double[] w) {
        double[] shift = residual == null ? new double[w.length] : residual.row(row).clone();
        for (int i = 0; i < w.length; i++) {
            carry(w[i], inputs.row(i), shift, 0);
        }
        feedback.solve(shift);
        for (int i = 0; i < w.length; i++) {
            w[i] += shift[i];
        }
    }
}
