package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// Runs kernels and the scalar reference on the same made-up input and compares every bit that was
/// written, and that nothing else was. Also a program, so that another Java machine (with other
/// vectors) can be asked: it prints the first difference and fails.
public final class KernelCases {

    private static final int[] COLUMNS = {
        1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 160, 172, 256, 320, 333,
        1040
    };
    private static final int[] TOKENS = {1, 2, 3, 5, 8, 12, 16, 17, 31, 32, 33, 64, 65};
    private static final int[] HEAD_SIZES = {2, 8, 12, 16, 20, 32, 40, 64, 80, 128};
    private static final float GUARD = -7777.25f;

    private final Kernels reference = new ScalarKernels();
    private final Kernels kernels;
    private final Random random;
    private final Memory memory;

    public KernelCases(Kernels kernels, long seed) {
        this(kernels, seed, (arena, bytes) -> arena.allocate(bytes, 1));
    }

    /// @param memory where weights and the KV cache are put
    public KernelCases(Kernels kernels, long seed, Memory memory) {
        this.kernels = kernels;
        this.random = new Random(seed);
        this.memory = memory;
    }

    /// Memory that ends where it is said to end.
    public interface Memory {
        MemorySegment allocate(Arena arena, long bytes);
    }

    public static void main(String[] arguments) {
        System.out.println(new VectorKernels().description());
        KernelCases cases = new KernelCases(new VectorKernels(), 1);
        cases.all();
    }

    /// Quantization and quantized products alone.
    public void products() {
        for (int columns : COLUMNS) {
            for (ActivationCode code : ActivationCode.values()) {
                quantize(code, columns);
            }
            for (int tokens : TOKENS) {
                quantizedProducts(columns, tokens);
            }
        }
    }

    private void quantizedProducts(int columns, int tokens) {
        for (NumberCode code : NumberCode.values()) {
            for (ActivationCode activations : ActivationCode.values()) {
                // What no model asks for is left to the scalar kernels. Of the many codes some
                // each time, so that this ends.
                boolean beside = activations == ActivationCode.beside(code);
                if (random.nextInt(beside ? 2 : 20) == 0) {
                    quantizedProduct(code, activations, columns, tokens);
                }
            }
        }
    }

    /// Everything that kernels do.
    public void all() {
        products();
        betweenProducts();
        for (int columns : COLUMNS) {
            for (int tokens : TOKENS) {
                floatProduct(columns, tokens);
            }
        }
        attention();
        embeddings();
        functions();
    }

    /// Norms, gates, sums and rotations.
    public void betweenProducts() {
        for (int columns : COLUMNS) {
            norm(columns);
            elementwise(columns);
        }
        for (int headSize : HEAD_SIZES) {
            rotate(headSize);
        }
    }

    /// What is stored and what is read of it.
    public void attention() {
        for (int headSize : HEAD_SIZES) {
            for (KvType type : KvType.values()) {
                for (int group : new int[] {1, 2, 3, 4, 7, 8}) {
                    attention(type, headSize, group, 0, 0);
                    attention(type, headSize, group, 1 + random.nextInt(70), 0);
                    attention(type, headSize, group, 0, 0.5f + random.nextFloat());
                    attention(type, headSize, group, 1 + random.nextInt(70), 50);
                }
            }
        }
    }

    void quantize(ActivationCode code, int columns) {
        int tokens = 40;
        float[] x = numbers(tokens * columns);
        for (int i = 0; i < columns; i++) {
            x[i] = i % 3 == 0 ? 1e-37f : 0f;
            x[columns + i] = Math.nextDown(0x1p-116f);
            x[6 * columns + i] = 0x1p-116f;
            x[2 * columns + i] = (i % 255 - 127) / 2f;
            x[3 * columns + i] = i % 5 == 1 ? Float.NaN : x[3 * columns + i];
            x[4 * columns + i] = i % 7 == 3 ? Float.POSITIVE_INFINITY : x[4 * columns + i];
            x[5 * columns + i] = -0f;
        }
        QuantizedActivations a = new QuantizedActivations(code, tokens, columns);
        QuantizedActivations b = new QuantizedActivations(code, tokens, columns);
        a.reshape(tokens, columns);
        b.reshape(tokens, columns);
        for (int token = 0; token < tokens; token++) {
            reference.quantize(x, token * columns, a, token);
            kernels.quantize(x, token * columns, b, token);
        }
        String what = code + " quantize " + columns;
        require(Arrays.equals(a.codes(), b.codes()), what + ": codes");
        same(a.scales(), b.scales(), what + ": scales");
    }

    void quantizedProduct(NumberCode code, ActivationCode activations, int columns, int tokens) {
        int rows = 1 + random.nextInt(random.nextInt(4) == 0 ? 140 : 53);
        try (Arena arena = Arena.ofShared()) {
            Matrix.Quantized weights = quantized(arena, code, rows, columns);
            QuantizedActivations x = new QuantizedActivations(activations, tokens, columns);
            x.reshape(tokens, columns);
            float[] numbers = numbers(tokens * columns);
            if (random.nextInt(4) == 0) {
                // The largest codes there are, so that a narrow sum would overflow.
                Arrays.fill(numbers, 1f);
                weights.codes().fill((byte) (code == NumberCode.INT8 ? 0x80 : 0));
                if (weights.zeros() != null) {
                    weights.zeros().fill((byte) 255);
                }
            }
            for (int token = 0; token < tokens; token++) {
                kernels.quantize(numbers, token * columns, x, token);
            }
            int from = random.nextInt(rows);
            int to = from + 1 + random.nextInt(rows - from);
            int stride = rows + random.nextInt(3);
            float[] expected = guarded(1 + tokens * stride);
            float[] actual = guarded(1 + tokens * stride);
            Workspace workspace = new Workspace(columns, 1, 1);
            PreparedMatrix prepared = kernels.prepare(weights, arena);
            reference.multiply(prepared, from, to, x, tokens, expected, 1, stride, workspace);
            kernels.multiply(prepared, from, to, x, tokens, actual, 1, stride, workspace);
            same(
                    expected,
                    actual,
                    "%s by %s rows %d..%d of %d, %d columns, groups of %d, %d tokens"
                            .formatted(
                                    code,
                                    activations,
                                    from,
                                    to,
                                    rows,
                                    columns,
                                    weights.groupSize(),
                                    tokens));
        }
    }

    void floatProduct(int columns, int tokens) {
        int rows = 1 + random.nextInt(9);
        DataType type = List.of(DataType.F32, DataType.F16, DataType.BF16).get(random.nextInt(3));
        try (Arena arena = Arena.ofConfined()) {
            Matrix.Float weights = floats(arena, type, rows, columns);
            int xStride = columns + random.nextInt(3);
            float[] x = numbers(tokens * xStride);
            int from = random.nextInt(rows);
            int to = from + 1 + random.nextInt(rows - from);
            float[] expected = guarded(1 + tokens * rows);
            float[] actual = guarded(1 + tokens * rows);
            Workspace workspace = new Workspace(columns, 1, 1);
            reference.multiply(weights, from, to, x, xStride, tokens, expected, 1, rows, workspace);
            kernels.multiply(weights, from, to, x, xStride, tokens, actual, 1, rows, workspace);
            same(
                    expected,
                    actual,
                    "%s rows %d..%d of %d, %d columns, %d tokens"
                            .formatted(type, from, to, rows, columns, tokens));
        }
    }

    void norm(int columns) {
        float[] x = numbers(columns + 3);
        float[] weight = numbers(columns);
        float[] expected = guarded(columns + 5);
        float[] actual = guarded(columns + 5);
        Workspace workspace = new Workspace(columns, 1, 1);
        reference.rmsNorm(x, 3, weight, 1e-5f, expected, 2, workspace);
        kernels.rmsNorm(x, 3, weight, 1e-5f, actual, 2, workspace);
        same(expected, actual, "norm " + columns);
    }

    void elementwise(int columns) {
        float[] up = numbers(columns + 4);
        float[] expected = numbers(columns + 4);
        float[] actual = expected.clone();
        Workspace workspace = new Workspace(columns, 1, 1);
        reference.siluGate(expected, up, 2, columns + 1, workspace);
        kernels.siluGate(actual, up, 2, columns + 1, workspace);
        same(expected, actual, "silu gate " + columns);
        reference.geluGate(expected, up, 1, columns + 2, workspace);
        kernels.geluGate(actual, up, 1, columns + 2, workspace);
        same(expected, actual, "gelu gate " + columns);
        reference.softCap(0.7f, expected, 2, columns + 1, workspace);
        kernels.softCap(0.7f, actual, 2, columns + 1, workspace);
        same(expected, actual, "soft cap " + columns);
        reference.add(expected, 3, up, 1, columns);
        kernels.add(actual, 3, up, 1, columns);
        same(expected, actual, "add " + columns);
        reference.scale(1.7f, expected, 2, columns);
        kernels.scale(1.7f, actual, 2, columns);
        same(expected, actual, "scale " + columns);
        for (float bad : new float[] {1f, Float.NaN, Float.NEGATIVE_INFINITY}) {
            float[] x = numbers(columns + 4);
            x[0] = Float.NaN;
            x[columns + 3] = Float.NaN;
            x[1 + random.nextInt(columns)] = bad;
            require(
                    kernels.isFinite(x, 1, columns) == reference.isFinite(x, 1, columns),
                    "isFinite " + columns + " " + bad);
        }
    }

    void rotate(int headSize) {
        for (int pairs = 1; pairs <= headSize / 2; pairs += 1 + random.nextInt(5)) {
            float[] cos = numbers(2 * pairs);
            float[] sin = numbers(2 * pairs);
            float[] expected = numbers(3 * headSize + 2);
            float[] actual = expected.clone();
            reference.rotate(expected, 1, 3, headSize, pairs, cos, sin, pairs);
            kernels.rotate(actual, 1, 3, headSize, pairs, cos, sin, pairs);
            same(expected, actual, "rotate " + pairs + " pairs of " + headSize);
        }
    }

    void attention(KvType type, int headSize, int group, int window, float softCap) {
        int positions = 1 + random.nextInt(140);
        int tokens = 1 + random.nextInt(Math.min(Workspace.ATTENTION_TOKENS, positions));
        int keyValueHeads = 2;
        KvLayout.LayerShape shape = new KvLayout.LayerShape(keyValueHeads, headSize);
        KvLayout layout = new KvLayout(type, List.of(shape, shape));
        String what =
                "%s attention, heads of %d, group of %d, window %d, cap %s, %d of %d positions"
                        .formatted(type, headSize, group, window, softCap, tokens, positions);
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> expectedPages = pages(arena, layout, positions);
            List<MemorySegment> actualPages = new ArrayList<>();
            for (MemorySegment page : expectedPages) {
                actualPages.add(memory.allocate(arena, page.byteSize()).copyFrom(page));
            }
            for (int position = 0; position < positions; position++) {
                float[] keys = numbers(keyValueHeads * headSize);
                float[] values = numbers(keyValueHeads * headSize);
                int page = position / KvLayout.PAGE_POSITIONS;
                int slot = position % KvLayout.PAGE_POSITIONS;
                boolean finite =
                        reference.store(
                                layout, expectedPages.get(page), 1, slot, keys, 0, values, 0);
                require(
                        finite
                                == kernels.store(
                                        layout, actualPages.get(page), 1, slot, keys, 0, values, 0),
                        what + ": finite");
            }
            for (int page = 0; page < expectedPages.size(); page++) {
                require(
                        expectedPages.get(page).mismatch(actualPages.get(page)) == -1,
                        what + ": stored");
            }
            AttentionShape attention =
                    new AttentionShape(
                            1, group, headSize, (float) (1 / Math.sqrt(headSize)), window, softCap);
            int stride = keyValueHeads * group * headSize;
            float[] queries = numbers(1 + tokens * stride);
            float[] expected = guarded(1 + tokens * stride);
            float[] actual = guarded(1 + tokens * stride);
            Workspace workspace = new Workspace(headSize, group, headSize);
            workspace.reservePositions(positions);
            int first = positions - tokens;
            int offset = 1 + group * headSize;
            reference.attend(
                    new Pages(layout, expectedPages),
                    attention,
                    1,
                    first,
                    tokens,
                    queries,
                    expected,
                    offset,
                    stride,
                    workspace);
            kernels.attend(
                    new Pages(layout, actualPages),
                    attention,
                    1,
                    first,
                    tokens,
                    queries,
                    actual,
                    offset,
                    stride,
                    workspace);
            same(expected, actual, what);
        }
    }

    private record Pages(KvLayout layout, List<MemorySegment> pages) implements KvCache {
        @Override
        public MemorySegment page(int index) {
            return pages.get(index);
        }
    }

    /// Pages full of numbers from another sequence, NaN among them.
    private List<MemorySegment> pages(Arena arena, KvLayout layout, int positions) {
        List<MemorySegment> pages = new ArrayList<>();
        for (int i = 0; i < Math.ceilDiv(positions, KvLayout.PAGE_POSITIONS); i++) {
            byte[] rubbish = new byte[Math.toIntExact(layout.pageBytes())];
            random.nextBytes(rubbish);
            pages.add(arena.allocate(rubbish.length).copyFrom(MemorySegment.ofArray(rubbish)));
        }
        return pages;
    }

    void embeddings() {
        try (Arena arena = Arena.ofConfined()) {
            List<Matrix> matrices =
                    new ArrayList<>(
                            List.of(
                                    floats(arena, DataType.F16, 5, 99),
                                    floats(arena, DataType.BF16, 5, 98),
                                    floats(arena, DataType.F32, 5, 97)));
            for (NumberCode code : NumberCode.values()) {
                matrices.add(quantized(arena, code, 5, 100));
                matrices.add(quantized(arena, code, 5, 101));
            }
            Workspace workspace = new Workspace(101, 1, 1);
            for (Matrix matrix : matrices) {
                float[] expected = guarded(matrix.columns() + 2);
                float[] actual = guarded(matrix.columns() + 2);
                reference.embed(matrix, 4, expected, 1, workspace);
                kernels.embed(matrix, 4, actual, 1, workspace);
                same(expected, actual, "embed " + matrix);
            }
        }
    }

    /// Every 2048th float there is, and many of the size that networks see.
    void functions() {
        for (ElementaryFunction function : ElementaryFunction.values()) {
            float[] expected = new float[3 << 20];
            for (int i = 0; i < 1 << 21; i++) {
                expected[i] = Float.intBitsToFloat(i << 11 | random.nextInt(1 << 11));
            }
            for (int i = 1 << 21; i < expected.length; i++) {
                expected[i] = (float) (random.nextGaussian() * 8);
            }
            float[] actual = expected.clone();
            Workspace workspace = new Workspace(1, 1, 1);
            reference.apply(function, expected, 1, expected.length - 2, workspace);
            kernels.apply(function, actual, 1, actual.length - 2, workspace);
            same(expected, actual, function.toString());
        }
    }

    /// Numbers of very different size, as activations are.
    private float[] numbers(int count) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            double size = random.nextInt(8) == 0 ? Math.exp(random.nextGaussian() * 3) : 1;
            numbers[i] = (float) (random.nextGaussian() * size);
        }
        return numbers;
    }

    /// Codes and scales that end exactly where their memory ends.
    private Matrix.Quantized quantized(Arena arena, NumberCode code, int rows, int columns) {
        int[] sizes = {32, 64, 96, 128, columns};
        int groupSize = sizes[random.nextInt(sizes.length)];
        byte[] codes = new byte[Math.toIntExact(rows * code.bytesPerRow(columns))];
        random.nextBytes(codes);
        int groups = Math.ceilDiv(columns, groupSize);
        MemorySegment scales = memory.allocate(arena, 2L * rows * groups);
        // Ordinary ones; with subnormal ones and zeros; with infinities and NaNs.
        int kind = random.nextInt(8);
        for (int i = 0; i < rows * groups; i++) {
            short scale =
                    switch (kind) {
                        case 0 -> Float.floatToFloat16((float) random.nextGaussian() * 0x1p-15f);
                        case 1 -> (short) (random.nextInt(1 << 16));
                        default -> Float.floatToFloat16((float) random.nextGaussian() * 0.01f);
                    };
            scales.set(little(ValueLayout.JAVA_SHORT_UNALIGNED), 2L * i, scale);
        }
        MemorySegment codeBytes =
                memory.allocate(arena, codes.length).copyFrom(MemorySegment.ofArray(codes));
        MemorySegment zeros = null;
        if (code.hasZeroPoints()) {
            byte[] bytes = new byte[rows * groups];
            random.nextBytes(bytes);
            zeros = memory.allocate(arena, bytes.length).copyFrom(MemorySegment.ofArray(bytes));
        }
        return new Matrix.Quantized(
                "test", code, rows, columns, groupSize, codeBytes, scales, zeros);
    }

    private Matrix.Float floats(Arena arena, DataType type, int rows, int columns) {
        float[] numbers = numbers(rows * columns);
        MemorySegment data = memory.allocate(arena, (long) type.bytes() * numbers.length);
        for (int i = 0; i < numbers.length; i++) {
            switch (type) {
                case F32 -> data.set(ScalarKernels.FLOAT, 4L * i, numbers[i]);
                case F16 -> data.set(ScalarKernels.SHORT, 2L * i, Float.floatToFloat16(numbers[i]));
                case BF16 ->
                        data.set(
                                ScalarKernels.SHORT,
                                2L * i,
                                (short) (Float.floatToRawIntBits(numbers[i]) >>> 16));
                default -> throw new IllegalArgumentException(type.toString());
            }
        }
        return new Matrix.Float("test", type, rows, columns, data);
    }

    private static ValueLayout.OfShort little(ValueLayout.OfShort layout) {
        return layout.withOrder(ByteOrder.LITTLE_ENDIAN);
    }

    private static float[] guarded(int count) {
        float[] array = new float[count];
        Arrays.fill(array, GUARD);
        return array;
    }

    /// Bit by bit; all NaNs are one.
    private static void same(float[] expected, float[] actual, String what) {
        for (int i = 0; i < expected.length; i++) {
            int a = Float.floatToIntBits(expected[i]);
            int b = Float.floatToIntBits(actual[i]);
            if (a != b) {
                throw new AssertionError(
                        "%s: element %d is %s (%08x), expected %s (%08x)"
                                .formatted(what, i, actual[i], b, expected[i], a));
            }
        }
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }
}
