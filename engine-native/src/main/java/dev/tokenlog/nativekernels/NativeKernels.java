package dev.tokenlog.nativekernels;

import static dev.tokenlog.nativekernels.LoadedLibrary.LIBRARY;
import static dev.tokenlog.nativekernels.PackedMatrix.TILE;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.tokenlog.engine.compute.AttentionShape;
import dev.tokenlog.engine.compute.ElementaryFunction;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.KvCache;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.QuantizedActivations;
import dev.tokenlog.engine.compute.ScalarKernels;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;

/// What a layer of a quantized model consists of, in C: products, the quantization of activations,
/// attention ([NativeAttention]) and what lies between products. Embeddings, float products and
/// what few families ask for are left to other kernels. The same bits as [ScalarKernels].
final class NativeKernels implements Kernels {

    private static final MethodHandle QUANTIZE =
            LIBRARY.kernel(
                    "tokenlog_quantize",
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    ADDRESS,
                    ADDRESS);

    private static final MethodHandle MULTIPLY =
            LIBRARY.kernel(
                    "tokenlog_multiply",
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_LONG);

    private static final MethodHandle RMS_NORM =
            LIBRARY.kernel(
                    "tokenlog_rms_norm",
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    ADDRESS,
                    JAVA_INT,
                    JAVA_FLOAT,
                    ADDRESS,
                    JAVA_LONG);

    private static final MethodHandle GATE =
            LIBRARY.kernel(
                    "tokenlog_gate", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT);

    private static final MethodHandle ADD =
            LIBRARY.kernel(
                    "tokenlog_add", JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT);

    private static final MethodHandle ALL_FINITE =
            LIBRARY.question("tokenlog_all_finite", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);

    private static final MethodHandle ROTATE =
            LIBRARY.kernel(
                    "tokenlog_rotate",
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    ADDRESS,
                    JAVA_LONG);

    /// `TOKENLOG_SILU` and `TOKENLOG_GELU_TANH`.
    private static final int SILU = 0;

    private static final int GELU_TANH = 1;

    /// Multiply-adds of one call: a few tenths of a millisecond, since a garbage collection waits.
    static final long PRODUCTS_PER_CALL = 1 << 25;

    private final NativeLibrary.Tier tier;
    private final Kernels portable;
    private final Kernels scalar = new ScalarKernels();

    NativeKernels(NativeLibrary.Tier tier, Kernels portable) {
        this.tier = tier;
        this.portable = portable;
    }

    @Override
    public String name() {
        return "native";
    }

    @Override
    public String description() {
        return "native " + tier.name();
    }

    /// Weights in tiles of 16 rows, outside the Java heap. What the model maps is not read from
    /// then on.
    @Override
    public PreparedMatrix prepare(Matrix.Quantized weights, Arena arena) {
        Optional<NativeLibrary.Code> code = LIBRARY.code(weights.code());
        return code.isPresent()
                ? PackedMatrix.of(weights, code.get(), arena)
                : portable.prepare(weights, arena);
    }

    @Override
    public void quantize(float[] x, int xOffset, QuantizedActivations out, int token) {
        // What Java would have found out by itself.
        Objects.checkFromIndexSize(xOffset, out.columns(), x.length);
        Objects.checkIndex(token, out.tokens());
        try {
            QUANTIZE.invokeExact(
                    tier.number(),
                    MemorySegment.ofArray(x),
                    (long) xOffset,
                    out.columns(),
                    out.code().largest(),
                    token,
                    MemorySegment.ofArray(out.codes()),
                    MemorySegment.ofArray(out.scales()),
                    MemorySegment.ofArray(out.panels()));
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void multiply(
            PreparedMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        if (!(weights instanceof PackedMatrix packed)) {
            portable.multiply(
                    weights, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
            return;
        }
        if (!packed.code().meets(x.code())) {
            // No model asks for it.
            scalar.multiply(
                    weights, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
            return;
        }
        if (tokens == 0 || fromRow == toRow) {
            return;
        }
        checkRange(packed.source(), fromRow, toRow, x, tokens, out, outOffset, outStride);
        int step = rowsPerCall(packed.source().columns(), tokens);
        for (int row = fromRow; row < toRow; ) {
            int end = Math.min(toRow, row / TILE * TILE + step);
            multiply(packed, row, end, x, tokens, out, outOffset, outStride);
            row = end;
        }
    }

    private static int rowsPerCall(int columns, int tokens) {
        long rows = PRODUCTS_PER_CALL / ((long) columns * tokens) / TILE * TILE;
        return (int) Math.max(TILE, rows);
    }

    /// What Java would have found out by itself.
    private static void checkRange(
            Matrix.Quantized weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride) {
        long last = outOffset + (tokens - 1L) * outStride + toRow;
        if (fromRow < 0
                || fromRow > toRow
                || toRow > weights.rows()
                || weights.columns() != x.columns()
                || tokens < 0
                || tokens > x.tokens()
                || outOffset < 0
                || outStride < 0
                || last > out.length) {
            throw new IllegalArgumentException(
                    "%s: rows %d..%d of %d, %d columns times %d, %d tokens of %d, to %d by %d in %d"
                            .formatted(
                                    weights.name(),
                                    fromRow,
                                    toRow,
                                    weights.rows(),
                                    weights.columns(),
                                    x.columns(),
                                    tokens,
                                    x.tokens(),
                                    outOffset,
                                    outStride,
                                    out.length));
        }
    }

    private void multiply(
            PackedMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride) {
        try {
            MULTIPLY.invokeExact(
                    tier.number(),
                    weights.code().number(),
                    weights.tiles(),
                    weights.source().columns(),
                    weights.source().groupSize(),
                    fromRow,
                    toRow,
                    MemorySegment.ofArray(x.panels()),
                    tokens,
                    MemorySegment.ofArray(out),
                    (long) outOffset,
                    (long) outStride);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void embed(Matrix matrix, int row, float[] out, int outOffset, Workspace workspace) {
        portable.embed(matrix, row, out, outOffset, workspace);
    }

    @Override
    public void scale(float factor, float[] x, int offset, int count) {
        portable.scale(factor, x, offset, count);
    }

    @Override
    public void rmsNorm(
            float[] x,
            int xOffset,
            float[] weight,
            float epsilon,
            float[] out,
            int outOffset,
            Workspace workspace) {
        Objects.checkFromIndexSize(xOffset, weight.length, x.length);
        Objects.checkFromIndexSize(outOffset, weight.length, out.length);
        try {
            RMS_NORM.invokeExact(
                    tier.number(),
                    MemorySegment.ofArray(x),
                    (long) xOffset,
                    MemorySegment.ofArray(weight),
                    weight.length,
                    epsilon,
                    MemorySegment.ofArray(out),
                    (long) outOffset);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void multiply(
            Matrix.Float weights,
            int fromRow,
            int toRow,
            float[] x,
            int xStride,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        portable.multiply(
                weights, fromRow, toRow, x, xStride, tokens, out, outOffset, outStride, workspace);
    }

    @Override
    public void rotate(
            float[] x,
            int offset,
            int heads,
            int headSize,
            int pairs,
            float[] cos,
            float[] sin,
            int tableOffset) {
        Objects.checkFromIndexSize(offset, Math.multiplyExact(heads, headSize), x.length);
        Objects.checkFromIndexSize(tableOffset, pairs, Math.min(cos.length, sin.length));
        Objects.checkFromIndexSize(0, Math.multiplyExact(2, pairs), headSize);
        try {
            ROTATE.invokeExact(
                    tier.number(),
                    MemorySegment.ofArray(x),
                    (long) offset,
                    heads,
                    headSize,
                    pairs,
                    MemorySegment.ofArray(cos),
                    MemorySegment.ofArray(sin),
                    (long) tableOffset);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public boolean store(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset) {
        return NativeAttention.store(
                tier, layout, page, layer, slot, keys, keyOffset, values, valueOffset);
    }

    @Override
    public void attend(
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        NativeAttention.attend(
                tier,
                cache,
                shape,
                keyValueHead,
                firstPosition,
                tokens,
                queries,
                out,
                offset,
                stride,
                workspace);
    }

    @Override
    public void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        gate(SILU, gate, up, from, to);
    }

    @Override
    public void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        gate(GELU_TANH, gate, up, from, to);
    }

    private void gate(int activation, float[] gate, float[] up, int from, int to) {
        Objects.checkFromToIndex(from, to, Math.min(gate.length, up.length));
        try {
            GATE.invokeExact(
                    tier.number(),
                    activation,
                    MemorySegment.ofArray(gate),
                    MemorySegment.ofArray(up),
                    (long) from,
                    to - from);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        Objects.checkFromIndexSize(xOffset, count, x.length);
        Objects.checkFromIndexSize(yOffset, count, y.length);
        try {
            ADD.invokeExact(
                    tier.number(),
                    MemorySegment.ofArray(x),
                    (long) xOffset,
                    MemorySegment.ofArray(y),
                    (long) yOffset,
                    count);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void softCap(float cap, float[] x, int from, int to, Workspace workspace) {
        portable.softCap(cap, x, from, to, workspace);
    }

    @Override
    public boolean isFinite(float[] x, int offset, int count) {
        Objects.checkFromIndexSize(offset, count, x.length);
        try {
            int finite =
                    (int)
                            ALL_FINITE.invokeExact(
                                    tier.number(), MemorySegment.ofArray(x), (long) offset, count);
            return finite != 0;
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void apply(
            ElementaryFunction function, float[] x, int from, int to, Workspace workspace) {
        portable.apply(function, x, from, to, workspace);
    }
}
