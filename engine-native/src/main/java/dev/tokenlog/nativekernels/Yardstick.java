package dev.tokenlog.nativekernels;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.ActivationCode;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.QuantizedActivations;
import dev.tokenlog.engine.compute.ScalarKernels;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// What bounds a language model on this machine, measured with nothing around it: how fast memory
/// is read, which bounds decoding one sequence, and how fast the quantized product alone is on the
/// best tier, which bounds prompt processing.
public final class Yardstick implements AutoCloseable {

    private static final int ROWS = 11264;
    private static final int COLUMNS = 2048;
    private static final int GROUP = 32;

    /// Together larger than caches.
    private static final int MATRICES = 24;

    private static final int TOKENS = 120;

    private final Arena arena = Arena.ofShared();
    private final NativeLibrary library;
    private final NativeLibrary.Tier tier;
    private final Kernels kernels;
    private final int threads;
    private final ActivationCode activations;
    private final List<PreparedMatrix> matrices = new ArrayList<>();

    private Yardstick(NativeLibrary library, NumberCode code, int threads) {
        this.library = library;
        this.tier =
                library.tiers().stream()
                        .filter(NativeLibrary.Tier::usable)
                        .findFirst()
                        .orElseThrow();
        this.kernels = new NativeKernels(tier, new ScalarKernels());
        this.threads = threads;
        this.activations = ActivationCode.beside(code);
        Matrix.Quantized stored = random(code);
        for (int i = 0; i < MATRICES; i++) {
            matrices.add(kernels.prepare(stored, arena));
        }
    }

    /// @throws EngineException if native kernels cannot be used here
    public static Yardstick open(NumberCode code, int threads) {
        KernelProbe probe = new NativeKernelProvider().probe(new ScalarKernels()).getFirst();
        return switch (probe) {
            case KernelProbe.Unusable unusable ->
                    throw new EngineException(
                            EngineException.Reason.UNSUPPORTED,
                            "the yardstick needs the native kernels: %s (%s)"
                                    .formatted(unusable.reason(), unusable.remedy()));
            case KernelProbe.Usable usable ->
                    new Yardstick(
                            ((NativeLibrary.Loaded) NativeKernels.LIBRARY).library(),
                            code,
                            threads);
        };
    }

    private Matrix.Quantized random(NumberCode code) {
        byte[] codes = new byte[ROWS * COLUMNS * code.bits() / 8];
        new Random(1).nextBytes(codes);
        MemorySegment scales = arena.allocate(2L * ROWS * COLUMNS / GROUP);
        for (long i = 0; i < scales.byteSize(); i += 2) {
            scales.set(ValueLayout.JAVA_SHORT_UNALIGNED, i, Float.floatToFloat16(0.01f));
        }
        MemorySegment bytes = arena.allocate(codes.length).copyFrom(MemorySegment.ofArray(codes));
        return new Matrix.Quantized("yardstick", code, ROWS, COLUMNS, GROUP, bytes, scales);
    }

    /// Bytes per second that all threads together read from memory, once.
    public double readRate() {
        long bytes = ((PackedMatrix) matrices.getFirst()).tiles().byteSize() * MATRICES;
        return bytes / seconds(this::readPart);
    }

    private void readPart(int part) {
        for (PreparedMatrix matrix : matrices) {
            MemorySegment tiles = ((PackedMatrix) matrix).tiles();
            long from = tiles.byteSize() * part / threads / 64 * 64;
            long to = tiles.byteSize() * (part + 1) / threads / 64 * 64;
            try {
                long ignored =
                        (long)
                                library.read()
                                        .invokeExact(
                                                tier.number(),
                                                tiles.asSlice(from, to - from),
                                                to - from);
            } catch (Throwable failure) {
                throw NativeLibrary.unexpected(failure);
            }
        }
    }

    /// Multiply-adds per second of a product with 120 tokens, all threads together, once.
    public double productRate() {
        QuantizedActivations x = new QuantizedActivations(activations, TOKENS, COLUMNS);
        x.reshape(TOKENS, COLUMNS);
        float[] numbers = new float[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            numbers[i] = i % 37 - 18;
        }
        for (int token = 0; token < TOKENS; token++) {
            kernels.quantize(numbers, 0, x, token);
        }
        float[] out = new float[TOKENS * ROWS];
        double seconds = seconds(part -> multiplyPart(part, x, out));
        return (double) MATRICES * ROWS * COLUMNS * TOKENS / seconds;
    }

    private void multiplyPart(int part, QuantizedActivations x, float[] out) {
        int tiles = ROWS / 16;
        int from = tiles * part / threads * 16;
        int to = tiles * (part + 1) / threads * 16;
        Workspace workspace = new Workspace(COLUMNS, 1, 1);
        for (PreparedMatrix matrix : matrices) {
            kernels.multiply(matrix, from, to, x, TOKENS, out, 0, ROWS, workspace);
        }
    }

    private interface Work {
        void run(int part);
    }

    private double seconds(Work work) {
        List<Thread> others = new ArrayList<>();
        long begin = System.nanoTime();
        for (int i = 1; i < threads; i++) {
            int part = i;
            others.add(Thread.ofPlatform().start(() -> work.run(part)));
        }
        work.run(0);
        for (Thread thread : others) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
        return (System.nanoTime() - begin) / 1e9;
    }

    @Override
    public void close() {
        arena.close();
    }
}
