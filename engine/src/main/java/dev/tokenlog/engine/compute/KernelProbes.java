package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Supplier;

/// Finds out which kernels this machine can run.
public final class KernelProbes {

    private static final String VECTOR_MODULE = "jdk.incubator.vector";

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

    /// A probe is usable if it multiplies a small known matrix correctly.
    static KernelProbe probe(String name, Supplier<Kernels> supplier) {
        try {
            Kernels kernels = supplier.get();
            float product = knownProduct(kernels);
            if (product != KNOWN_PRODUCT) {
                return new KernelProbe.Unusable(
                        name,
                        "a known product is " + KNOWN_PRODUCT + " but came out as " + product,
                        "report this machine and its Java version");
            }
            return new KernelProbe.Usable(name, kernels.description(), kernels);
        } catch (RuntimeException | LinkageError failure) {
            return new KernelProbe.Unusable(
                    name, failure.toString(), "report this machine and its Java version");
        }
    }

    /// 40 columns: weights `c % 3 - 1` with scale 1/2; activations `c`, but 127 in columns 0 and
    /// 32.
    private static float knownProduct(Kernels kernels) {
        byte[] codes = new byte[KNOWN_COLUMNS];
        float[] x = new float[KNOWN_COLUMNS];
        for (int column = 0; column < KNOWN_COLUMNS; column++) {
            codes[column] = (byte) (column % 3 - 1);
            x[column] = column == 0 || column == 32 ? 127 : column;
        }
        byte[] half = {0x00, 0x38};
        Matrix.Quantized weights =
                new Matrix.Quantized(
                        "known",
                        NumberCode.INT8,
                        1,
                        KNOWN_COLUMNS,
                        KNOWN_COLUMNS,
                        MemorySegment.ofArray(codes),
                        MemorySegment.ofArray(half));
        QuantizedActivations quantized = new QuantizedActivations(1, KNOWN_COLUMNS);
        quantized.reshape(1, KNOWN_COLUMNS);
        kernels.quantize(x, 0, quantized, 0);
        float[] out = new float[1];
        kernels.multiply(
                weights, 0, 1, quantized, 1, out, 0, 1, new Workspace(KNOWN_COLUMNS, 1, 1));
        return out[0];
    }

    private static final int KNOWN_COLUMNS = 40;

    /// Both blocks have a maximum of 127, so scale 1 and codes equal to the numbers. Columns c % 3
    /// = 0 count -1, c % 3 = 2 count +1: block 0: -127 - (3+...+30 = 165) + (2+5+...+29 = 155) =
    /// -137; block 1: -(33+36+39 = 108) + (127+35+38 = 200) = 92; half of the sum: -22.5.
    private static final float KNOWN_PRODUCT = -22.5f;
}
