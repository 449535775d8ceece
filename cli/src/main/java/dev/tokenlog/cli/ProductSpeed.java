package dev.tokenlog.cli;

import dev.tokenlog.engine.compute.ActivationCode;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.QuantizedActivations;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;

/// How fast one thread multiplies random weights of a code, groups of 32, by a batch of tokens.
///
/// @param rows a multiple of 128
/// @param columns of the matrix, which should not fit in the processor's caches
record ProductSpeed(int rows, int columns) {

    private static final int GROUP = 32;
    private static final long ROUND_NANOS = 60_000_000;

    /// So many rounds in a row without a better one end a measurement: kernels in Java are compiled
    /// while they run, some of them for half a second.
    private static final int ROUNDS_ALIKE = 15;

    private static final double BETTER = 1.03;

    /// Rows of one call, so that slow kernels end in time.
    private static final int PART = 128;

    /// Billions of multiply-adds a second for each number of tokens, the best of the rounds.
    double[] of(NumberCode code, Kernels kernels, List<Integer> batches) {
        try (Arena arena = Arena.ofShared()) {
            PreparedMatrix weights = kernels.prepare(weights(code, arena), arena);
            return batches.stream().mapToDouble(tokens -> of(weights, kernels, tokens)).toArray();
        }
    }

    private double of(PreparedMatrix weights, Kernels kernels, int tokens) {
        QuantizedActivations x = activations(weights.source().code(), kernels, tokens);
        float[] out = new float[tokens * rows];
        Workspace workspace = new Workspace(columns, 1, 1);
        double best = 0;
        int from = 0;
        for (int alike = 0; alike < ROUNDS_ALIKE; alike++) {
            long done = 0;
            long begin = System.nanoTime();
            long took;
            do {
                kernels.multiply(weights, from, from + PART, x, tokens, out, 0, rows, workspace);
                done += (long) PART * columns * tokens;
                from = (from + PART) % rows;
                took = System.nanoTime() - begin;
            } while (took < ROUND_NANOS);
            double rate = (double) done / took;
            if (rate > BETTER * best) {
                alike = 0;
            }
            best = Math.max(best, rate);
        }
        return best;
    }

    private QuantizedActivations activations(NumberCode code, Kernels kernels, int tokens) {
        QuantizedActivations x =
                new QuantizedActivations(ActivationCode.beside(code), tokens, columns);
        x.reshape(tokens, columns);
        float[] numbers = new float[columns];
        Random random = new Random(2);
        for (int token = 0; token < tokens; token++) {
            for (int i = 0; i < columns; i++) {
                numbers[i] = (float) random.nextGaussian();
            }
            kernels.quantize(numbers, 0, x, token);
        }
        return x;
    }

    private Matrix.Quantized weights(NumberCode code, Arena arena) {
        MemorySegment codes = arena.allocate(rows * code.bytesPerRow(columns));
        byte[] some = new byte[1 << 16];
        new Random(1).nextBytes(some);
        for (long at = 0; at < codes.byteSize(); at += some.length) {
            long count = Math.min(some.length, codes.byteSize() - at);
            MemorySegment.copy(MemorySegment.ofArray(some), 0, codes, at, count);
        }
        long groups = (long) rows * columns / GROUP;
        MemorySegment scales = arena.allocate(2 * groups);
        for (long at = 0; at < scales.byteSize(); at += 2) {
            scales.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, Float.floatToFloat16(0.01f));
        }
        MemorySegment zeros = code.hasZeroPoints() ? arena.allocate(groups) : null;
        return new Matrix.Quantized("random", code, rows, columns, GROUP, codes, scales, zeros);
    }
}
