package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.function.Supplier;

/// Finds out which kernels this machine can run.
public final class KernelProbes {

    private static final String VECTOR_MODULE = "jdk.incubator.vector";
    private static final String REPORT = "report this machine and its Java version";

    private static final String NATIVE = "native";

    private static final int ROWS = 19;
    private static final int COLUMNS = 40;
    private static final int MANY_TOKENS = 20;

    /// Both blocks have the largest code M as their maximum, so scale 1 and codes equal to the
    /// numbers. Columns c % 3 = 0 count -1, c % 3 = 2 count +1: block 0: -M - (3+...+30 = 165) +
    /// (2+5+...+29 = 155) = -M - 10; block 1: -(33+36+39 = 108) + (M+35+38) = M - 35; half of the
    /// sum: -22.5, whatever M.
    private static final float KNOWN_PRODUCT = -22.5f;

    private KernelProbes() {}

    /// All kinds, in the order in which they are chosen automatically.
    public static List<KernelProbe> all() {
        return all(
                ServiceLoader.load(KernelProvider.class, KernelProvider.class.getClassLoader())
                        .stream()
                        .map(ServiceLoader.Provider::get)
                        .toList());
    }

    /// The preferred ones of each provider, those of this module, and then what is used only if it
    /// is named.
    static List<KernelProbe> all(List<KernelProvider> providers) {
        KernelProbe vector = vector();
        KernelProbe scalar = scalar();
        List<KernelProbe> probes = new ArrayList<>();
        List<KernelProbe> named = new ArrayList<>();
        if (providers.isEmpty()) {
            probes.add(
                    new KernelProbe.Unusable(
                            NATIVE,
                            "the module engine-native is not there",
                            "put it on the class path"));
        }
        for (KernelProvider provider : providers) {
            List<KernelProbe> found = provider.probe(portable(vector, scalar));
            probes.add(found.getFirst());
            named.addAll(found.subList(1, found.size()));
        }
        probes.add(vector);
        probes.add(scalar);
        probes.addAll(named);
        return List.copyOf(probes);
    }

    private static Kernels portable(KernelProbe vector, KernelProbe scalar) {
        return switch (vector) {
            case KernelProbe.Usable usable -> usable.kernels();
            case KernelProbe.Unusable unusable ->
                    scalar instanceof KernelProbe.Usable usable
                            ? usable.kernels()
                            : new ScalarKernels();
        };
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

    /// A probe is usable if it multiplies small known matrices correctly, few and many tokens: one
    /// of int8 and int4 whose product is known, by every activation code, and one of every code
    /// whose product is what the specification makes of it.
    public static KernelProbe probe(String name, Supplier<Kernels> supplier) {
        try {
            Kernels kernels = supplier.get();
            for (int tokens : new int[] {1, MANY_TOKENS}) {
                for (NumberCode code : NumberCode.values()) {
                    Optional<String> wrong = problem(kernels, code, tokens);
                    if (wrong.isPresent()) {
                        return new KernelProbe.Unusable(name, wrong.get(), REPORT);
                    }
                }
            }
            return new KernelProbe.Usable(name, kernels.description(), kernels);
        } catch (RuntimeException | LinkageError failure) {
            return new KernelProbe.Unusable(name, failure.toString(), REPORT);
        }
    }

    private static Optional<String> problem(Kernels kernels, NumberCode code, int tokens) {
        if (code == NumberCode.INT8 || code == NumberCode.INT4) {
            for (ActivationCode activations : ActivationCode.values()) {
                for (float product : products(kernels, code, true, activations, tokens)) {
                    if (product != KNOWN_PRODUCT) {
                        return Optional.of(
                                "a known product is "
                                        + KNOWN_PRODUCT
                                        + " but came out as "
                                        + product);
                    }
                }
            }
        }
        ActivationCode beside = ActivationCode.beside(code);
        float[] expected = products(new ScalarKernels(), code, false, beside, tokens);
        float[] found = products(kernels, code, false, beside, tokens);
        int differing = Arrays.mismatch(expected, found);
        return differing < 0
                ? Optional.empty()
                : Optional.of(
                        "a product of %s is %s but came out as %s"
                                .formatted(code.label(), expected[differing], found[differing]));
    }

    /// Rows of 40 columns. Activations, the same for every token: `c`, but the largest code in
    /// columns 0 and 32.
    ///
    /// @param known weights `c % 3 - 1` with scale 1/2, of int8 or int4; otherwise all sorts of
    ///   codes
    private static float[] products(
            Kernels kernels,
            NumberCode code,
            boolean known,
            ActivationCode activations,
            int tokens) {
        QuantizedActivations x = new QuantizedActivations(activations, tokens, COLUMNS);
        x.reshape(tokens, COLUMNS);
        float[] numbers = new float[COLUMNS];
        for (int column = 0; column < COLUMNS; column++) {
            numbers[column] = column == 0 || column == 32 ? activations.largest() : column;
        }
        for (int token = 0; token < tokens; token++) {
            kernels.quantize(numbers, 0, x, token);
        }
        float[] out = new float[tokens * ROWS];
        try (Arena arena = Arena.ofShared()) {
            Matrix.Quantized matrix = known ? knownWeights(code, arena) : weights(code, arena);
            PreparedMatrix weights = kernels.prepare(matrix, arena);
            kernels.multiply(
                    weights, 0, ROWS, x, tokens, out, 0, ROWS, new Workspace(COLUMNS, 1, 1));
        }
        return out;
    }

    private static Matrix.Quantized weights(NumberCode code, Arena arena) {
        MemorySegment codes = arena.allocate(ROWS * code.bytesPerRow(COLUMNS));
        for (long at = 0; at < codes.byteSize(); at++) {
            codes.set(ValueLayout.JAVA_BYTE, at, (byte) ((at * 2_654_435_761L) >>> 13));
        }
        MemorySegment zeros = code.hasZeroPoints() ? arena.allocate(ROWS) : null;
        MemorySegment scales = arena.allocate(2L * ROWS);
        for (int row = 0; row < ROWS; row++) {
            scales.set(ScalarKernels.SHORT, 2L * row, Float.floatToFloat16(0.01f * (row - 7)));
            if (zeros != null) {
                zeros.set(ValueLayout.JAVA_BYTE, row, (byte) (row % (1 << code.bits())));
            }
        }
        return new Matrix.Quantized("known", code, ROWS, COLUMNS, COLUMNS, codes, scales, zeros);
    }

    private static Matrix.Quantized knownWeights(NumberCode code, Arena arena) {
        boolean nibbles = code == NumberCode.INT4;
        int rowBytes = Math.toIntExact(code.bytesPerRow(COLUMNS));
        MemorySegment codes = arena.allocate((long) ROWS * rowBytes);
        MemorySegment scales = arena.allocate(2L * ROWS);
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                int weight = column % 3 - 1;
                long at = row * rowBytes + (nibbles ? column / 2 : column);
                int one = codes.get(ValueLayout.JAVA_BYTE, at);
                one |= nibbles ? weight + 8 << column % 2 * 4 : weight;
                codes.set(ValueLayout.JAVA_BYTE, at, (byte) one);
            }
            scales.set(ScalarKernels.SHORT, 2L * row, Float.floatToFloat16(0.5f));
        }
        return new Matrix.Quantized("known", code, ROWS, COLUMNS, COLUMNS, codes, scales);
    }
}
