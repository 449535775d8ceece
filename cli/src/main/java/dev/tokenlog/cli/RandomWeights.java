package dev.tokenlog.cli;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/// A model of a given shape whose codes are random and exist nowhere but in memory: for
/// measurements. Matrices take turns in a pool that is larger than caches, so that a model of
/// billions of parameters takes no more than the pool where kernels make their own copy.
final class RandomWeights implements Model {

    private static final int GROUP = 32;
    private static final long POOL = 320L << 20;
    private static final float SCALE = 0.004f;

    private final ModelPlan plan;
    private final NumberCode code;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment codes;
    private final MemorySegment scales;
    private final MemorySegment zeros;
    private final Map<String, int[]> shapes = new HashMap<>();
    private long next;

    RandomWeights(ModelPlan plan, NumberCode code) {
        this.plan = plan;
        this.code = code;
        long largest = 0;
        for (PlanMatrices.Shape matrix : PlanMatrices.of(plan)) {
            shapes.put(matrix.tensor(), new int[] {matrix.rows(), matrix.columns()});
            largest = Math.max(largest, (long) matrix.rows() * matrix.columns());
        }
        this.codes = arena.allocate(Math.max(POOL, largest * code.bits() / 8), 64);
        this.scales = arena.allocate(2 * largest / GROUP, 64);
        this.zeros = arena.allocate(code.hasZeroPoints() ? largest / GROUP : 1);
        zeros.fill((byte) (1 << code.bits() - 1));
        fill();
    }

    private void fill() {
        byte[] random = new byte[1 << 20];
        new Random(1).nextBytes(random);
        for (long at = 0; at < codes.byteSize(); at += random.length) {
            long bytes = Math.min(random.length, codes.byteSize() - at);
            MemorySegment.copy(MemorySegment.ofArray(random), 0, codes, at, bytes);
        }
        short scale = Float.floatToFloat16(SCALE);
        for (long at = 0; at < scales.byteSize(); at += 2) {
            scales.set(ValueLayout.JAVA_SHORT, at, scale);
        }
    }

    @Override
    public Path folder() {
        return Path.of("random-weights");
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    /// Not a digest of anything, but it says that the arithmetic is that of an artifact.
    @Override
    public Optional<String> digest() {
        return Optional.of("random");
    }

    @Override
    public Matrix matrix(String tensor) {
        int[] shape = shapes.get(tensor);
        long bytes = shape[0] * code.bytesPerRow(shape[1]);
        if (next + bytes > codes.byteSize()) {
            next = 0;
        }
        MemorySegment own = codes.asSlice(next, bytes);
        next += Math.ceilDiv(bytes, 64) * 64;
        long scaleBytes = 2L * shape[0] * shape[1] / GROUP;
        return new Matrix.Quantized(
                tensor,
                code,
                shape[0],
                shape[1],
                GROUP,
                own,
                scales.asSlice(0, scaleBytes),
                code.hasZeroPoints() ? zeros.asSlice(0, scaleBytes / 2) : null);
    }

    @Override
    public float[] vector(String tensor) {
        float[] ones = new float[plan.hiddenSize()];
        Arrays.fill(ones, 1f);
        return ones;
    }

    @Override
    public Optional<Path> file(String name) {
        return Optional.empty();
    }

    @Override
    public void close() {
        arena.close();
    }
}
