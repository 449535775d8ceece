package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Supplier;

/// Finds out which kernels this machine can run.
public final class KernelProbes {

    private static final String VECTOR_MODULE = "jdk.incubator.vector";
    private static final String REPORT = "report this machine and its Java version";

    private static final int COLUMNS = 40;
    private static final int MANY_TOKENS = 20;

    /// Both blocks have the largest code M as their maximum, so scale 1 and codes equal to the
    /// numbers. Columns c % 3 = 0 count -1, c % 3 = 2 count +1: block 0: -M - (3+...+30 = 165) +
    /// (2+5+...+29 = 155) = -M - 10; block 1: -(33+36+39 = 108) + (M+35+38) = M - 35; half of the
    /// sum: -22.5, whatever M.
    private static final float KNOWN_PRODUCT = -22.5f;

    private KernelProbes() {}

    /// All kinds, the fastest first.
    public static List<KernelProbe> all() {
        return List.of(vector(), scalar());
    }

    static KernelProbe scalar() {
        return probe("scalar", ScalarKernels::new);
    }

    /// The class is touched only where its module is there: the Vector API is an incubator and has
    /// to be asked for on the command line.
    static KernelProbe vector() {
        if (ModuleLayer.boot().findModule(VECTOR_MODULE).isEmpty()) {
            return new KernelProbe.Unusable(
                    "vector",
                    "the module " + VECTOR_MODULE + " is not there",
                    "start Java with --add-modules=" + VECTOR_MODULE);
        }
        return probe("vector", VectorKernels::new);
    }

    /// A probe is usable if it multiplies a small known matrix correctly, by few and by many
    /// tokens.
    static KernelProbe probe(String name, Supplier<Kernels> supplier) {
        try {
            Kernels kernels = supplier.get();
            for (ActivationCode code : ActivationCode.values()) {
                for (int tokens : new int[] {1, MANY_TOKENS}) {
                    for (float product : knownProducts(kernels, code, tokens)) {
                        if (product != KNOWN_PRODUCT) {
                            return new KernelProbe.Unusable(
                                    name,
                                    "a known product is "
                                            + KNOWN_PRODUCT
                                            + " but came out as "
                                            + product,
                                    REPORT);
                        }
                    }
                }
            }
            return new KernelProbe.Usable(name, kernels.description(), kernels);
        } catch (RuntimeException | LinkageError failure) {
            return new KernelProbe.Unusable(name, failure.toString(), REPORT);
        }
    }

    /// One row of 40 columns: weights `c % 3 - 1` with scale 1/2. Activations, the same for every
    /// token: `c`, but the largest code in columns 0 and 32.
    private static float[] knownProducts(Kernels kernels, ActivationCode code, int tokens) {
        QuantizedActivations x = new QuantizedActivations(code, tokens, COLUMNS);
        x.reshape(tokens, COLUMNS);
        float[] numbers = new float[COLUMNS];
        for (int column = 0; column < COLUMNS; column++) {
            numbers[column] = column == 0 || column == 32 ? code.largest() : column;
        }
        for (int token = 0; token < tokens; token++) {
            kernels.quantize(numbers, 0, x, token);
        }
        float[] out = new float[tokens];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment codes = arena.allocate(COLUMNS);
            for (int column = 0; column < COLUMNS; column++) {
                codes.set(ValueLayout.JAVA_BYTE, column, (byte) (column % 3 - 1));
            }
            MemorySegment scale = arena.allocate(2);
            scale.set(ScalarKernels.SHORT, 0, Float.floatToFloat16(0.5f));
            Matrix.Quantized weights =
                    new Matrix.Quantized(
                            "known", NumberCode.INT8, 1, COLUMNS, COLUMNS, codes, scale);
            kernels.multiply(weights, 0, 1, x, tokens, out, 0, 1, new Workspace(COLUMNS, 1, 1));
        }
        return out;
    }
}
