package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.ActivationCode;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/// Weight matrices that are multiplied by the same activations, cut into ranges of rows for the
/// worker threads.
final class Projection implements WorkerTeam.Upcoming {

    /// Rows of one part are a multiple of this, so that threads do not write to one cache line.
    private static final int ROW_UNIT = 32;

    /// So that a thread that is late, or was put aside, is helped out in small pieces.
    private static final int PARTS_PER_THREAD = 6;

    /// Where a matrix puts its results: row `r` of token `t` at `offset + t * stride + r`.
    static final class Target {
        private float[] values;
        private int offset;
        private int stride;

        Target(float[] values, int offset, int stride) {
            set(values, offset, stride);
        }

        void set(float[] newValues, int newOffset, int newStride) {
            values = newValues;
            offset = newOffset;
            stride = newStride;
        }
    }

    /// @param bias one number per row, or none at all
    record Linear(Matrix matrix, float[] bias, Target target) {

        static final float[] NO_BIAS = {};

        Linear {
            if (bias.length != 0 && bias.length != matrix.rows()) {
                throw new IllegalArgumentException(
                        matrix.name()
                                + ": "
                                + matrix.rows()
                                + " rows, but "
                                + bias.length
                                + " biases");
            }
        }
    }

    private final Linear[] linears;
    private final PreparedMatrix[] prepared;
    private final int[] partStarts;
    private final int[] partLinears;
    private final int[] partEnds;
    private final ActivationCode[] activations;
    private final long elements;

    Projection(int threads, List<Linear> linears) {
        this.linears = linears.toArray(Linear[]::new);
        this.prepared = new PreparedMatrix[linears.size()];
        this.activations =
                linears.stream()
                        .map(Linear::matrix)
                        .filter(Matrix.Quantized.class::isInstance)
                        .map(matrix -> ActivationCode.beside(((Matrix.Quantized) matrix).code()))
                        .distinct()
                        .toArray(ActivationCode[]::new);
        this.elements =
                linears.stream()
                        .mapToLong(l -> (long) l.matrix().rows() * l.matrix().columns())
                        .sum();
        int rows = linears.stream().mapToInt(l -> l.matrix().rows()).sum();
        int wanted = threads == 1 ? 1 : threads * PARTS_PER_THREAD;
        int unit = Math.ceilDiv(Math.ceilDiv(rows, wanted), ROW_UNIT) * ROW_UNIT;
        int parts = linears.stream().mapToInt(l -> Math.ceilDiv(l.matrix().rows(), unit)).sum();
        partStarts = new int[parts];
        partEnds = new int[parts];
        partLinears = new int[parts];
        int part = 0;
        for (int index = 0; index < this.linears.length; index++) {
            int matrixRows = this.linears[index].matrix().rows();
            for (int from = 0; from < matrixRows; from += unit) {
                partLinears[part] = index;
                partStarts[part] = from;
                partEnds[part++] = Math.min(from + unit, matrixRows);
            }
        }
    }

    /// The name of the first matrix.
    String firstTensor() {
        return linears[0].matrix().name();
    }

    @Override
    public int parts() {
        return partStarts.length;
    }

    @Override
    public boolean prefetch(int part, int piece) {
        PreparedMatrix matrix = prepared[partLinears[part]];
        return matrix != null && matrix.prefetch(partStarts[part], piece);
    }

    /// Elements of all matrices: multiply-adds per token.
    long elements() {
        return elements;
    }

    /// Whether the activations are needed quantized.
    boolean isQuantized() {
        return activations.length > 0;
    }

    int matrices() {
        return linears.length;
    }

    /// Brings one matrix into the layout of the kernels; each once, before the first [#run]. What
    /// they copied is not kept in memory twice.
    void prepare(Kernels kernels, int index, Arena arena) {
        if (linears[index].matrix() instanceof Matrix.Quantized weights) {
            prepared[index] = kernels.prepare(weights, arena);
            if (!prepared[index].readsSource()) {
                weights.unload();
            }
        }
    }

    /// Quantizes one token's row of the input as these matrices need it, if they do.
    void quantize(Kernels kernels, Activations input, int token) {
        for (ActivationCode code : activations) {
            kernels.quantize(input.values(), input.row(token), input.codes(code), token);
        }
    }

    /// Computes one part for the first `tokens` tokens.
    void run(Kernels kernels, int part, Activations input, int tokens, Workspace workspace) {
        int index = partLinears[part];
        Linear linear = linears[index];
        int from = partStarts[part];
        int to = partEnds[part];
        Target target = linear.target();
        switch (linear.matrix()) {
            case Matrix.Quantized weights ->
                    kernels.multiply(
                            prepared[index],
                            from,
                            to,
                            input.codes(ActivationCode.beside(weights.code())),
                            tokens,
                            target.values,
                            target.offset,
                            target.stride,
                            workspace);
            case Matrix.Float weights ->
                    kernels.multiply(
                            weights,
                            from,
                            to,
                            input.values(),
                            input.width(),
                            tokens,
                            target.values,
                            target.offset,
                            target.stride,
                            workspace);
        }
        if (linear.bias().length > 0) {
            for (int token = 0; token < tokens; token++) {
                kernels.add(
                        target.values,
                        target.offset + token * target.stride + from,
                        linear.bias(),
                        from,
                        to - from);
            }
        }
    }

    @Override
    public String toString() {
        return Arrays.stream(linears).map(l -> l.matrix().name()).toList().toString();
    }
}
