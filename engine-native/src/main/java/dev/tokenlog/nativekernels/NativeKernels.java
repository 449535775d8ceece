package dev.tokenlog.nativekernels;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.AttentionShape;
import dev.tokenlog.engine.compute.ElementaryFunction;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.KvCache;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.compute.QuantizedActivations;
import dev.tokenlog.engine.compute.ScalarKernels;
import dev.tokenlog.engine.compute.Workspace;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Optional;

/// Quantized products, the quantization of activations and attention in C; everything else by other
/// kernels. The same bits as [ScalarKernels].
final class NativeKernels implements Kernels {

    /// A constant, so that the compiler turns calls into plain ones that allocate nothing.
    static final NativeLibrary.Result LIBRARY = LibraryFile.load();

    private static final NativeLibrary FUNCTIONS =
            LIBRARY instanceof NativeLibrary.Loaded loaded ? loaded.library() : null;

    /// Multiply-adds of one call: a few tenths of a millisecond, since a garbage collection waits.
    private static final long PRODUCTS_PER_CALL = 1 << 25;

    /// A type of the KV cache that the library does not know.
    private static final int UNKNOWN = -1;

    /// Rows that are packed together (`TOKENLOG_TILE`).
    private static final int TILE = 16;

    /// Stored codes that are packed together: they stay in a processor's own cache on the way.
    private static final int BYTES_PER_PACK = 1 << 18;

    private static final String LIKELY =
            "; free memory, or choose kernels that need no second copy: tokenlog.compute=scalar";

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
        Optional<NativeLibrary.Code> code = FUNCTIONS.code(weights.code());
        return code.isPresent()
                ? packed(weights, code.get(), arena)
                : portable.prepare(weights, arena);
    }

    /// Some rows at a time, by way of memory of our own: where a mapped file has become shorter,
    /// Java says so while it copies; C code would end the process.
    private static PackedMatrix packed(
            Matrix.Quantized weights, NativeLibrary.Code code, Arena arena) {
        long bytes = packedBytes(weights, weights.rows(), code);
        long tileBytes = packedBytes(weights, TILE, code);
        MemorySegment tiles = map(bytes, weights.name(), arena);
        int step = (int) Math.max(TILE, BYTES_PER_PACK / weights.bytesPerRow() / TILE * TILE);
        try (Arena some = Arena.ofConfined()) {
            Matrix.Quantized most = weights.rows(0, Math.min(step, weights.rows()));
            MemorySegment codes = some.allocate(most.codes().byteSize());
            MemorySegment scales = some.allocate(most.scales().byteSize());
            MemorySegment zeros =
                    most.zeros() == null
                            ? MemorySegment.NULL
                            : some.allocate(most.zeros().byteSize());
            for (int row = 0; row < weights.rows(); row += step) {
                Matrix.Quantized rows = weights.rows(row, Math.min(step, weights.rows() - row));
                MemorySegment.copy(rows.codes(), 0, codes, 0, rows.codes().byteSize());
                MemorySegment.copy(rows.scales(), 0, scales, 0, rows.scales().byteSize());
                if (rows.zeros() != null) {
                    MemorySegment.copy(rows.zeros(), 0, zeros, 0, rows.zeros().byteSize());
                }
                pack(rows, code, codes, scales, zeros, tiles.asSlice(row / TILE * tileBytes));
            }
        }
        return new PackedMatrix(weights, code, tiles);
    }

    private static void pack(
            Matrix.Quantized rows,
            NativeLibrary.Code code,
            MemorySegment codes,
            MemorySegment scales,
            MemorySegment zeros,
            MemorySegment tiles) {
        try {
            FUNCTIONS
                    .pack()
                    .invokeExact(
                            code.number(),
                            rows.rows(),
                            rows.columns(),
                            rows.groupSize(),
                            codes,
                            scales,
                            zeros,
                            0,
                            Math.ceilDiv(rows.rows(), TILE),
                            tiles);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    private static long packedBytes(Matrix.Quantized weights, int rows, NativeLibrary.Code code) {
        try {
            return (long)
                    FUNCTIONS
                            .packedBytes()
                            .invokeExact(
                                    code.number(), rows, weights.columns(), weights.groupSize());
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    private static MemorySegment map(long bytes, String tensor, Arena arena) {
        MemorySegment memory;
        try {
            memory = (MemorySegment) FUNCTIONS.map().invokeExact(bytes);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
        if (memory.equals(MemorySegment.NULL)) {
            throw new EngineException(
                    EngineException.Reason.UNSUPPORTED,
                    "no memory for %d MiB of packed weights of %s".formatted(bytes >> 20, tensor)
                            + LIKELY);
        }
        return memory.reinterpret(bytes, arena, NativeKernels::unmap);
    }

    private static void unmap(MemorySegment memory) {
        try {
            FUNCTIONS.unmap().invokeExact(memory, memory.byteSize());
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void quantize(float[] x, int xOffset, QuantizedActivations out, int token) {
        // What Java would have found out by itself.
        Objects.checkFromIndexSize(xOffset, out.columns(), x.length);
        Objects.checkIndex(token, out.tokens());
        try {
            FUNCTIONS
                    .quantize()
                    .invokeExact(
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
            int end = Math.min(toRow, (row / TILE * TILE) + step);
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
            FUNCTIONS
                    .multiply()
                    .invokeExact(
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
        portable.rmsNorm(x, xOffset, weight, epsilon, out, outOffset, workspace);
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
        portable.rotate(x, offset, heads, headSize, pairs, cos, sin, tableOffset);
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
        return portable.store(layout, page, layer, slot, keys, keyOffset, values, valueOffset);
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
        int type = type(cache.layout().type());
        if (type == UNKNOWN || tokens == 0) {
            portable.attend(
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
            return;
        }
        Objects.checkIndex(keyValueHead, cache.layout().keyValueHeads(shape.layer()));
        checkAttention(
                cache, shape, firstPosition, tokens, queries, out, offset, stride, workspace);
        findPages(cache, shape.firstVisible(firstPosition), firstPosition + tokens, workspace);
        // Tokens, then heads, so few that a call is short.
        long products = 2L * shape.headSize() * (firstPosition + tokens);
        int heads = Math.clamp(PRODUCTS_PER_CALL / products, 1, shape.group());
        int together = heads < shape.group() ? 1 : tokensPerCall(products * heads);
        for (int token = 0; token < tokens; token += together) {
            for (int head = 0; head < shape.group(); head += heads) {
                attend(
                        type,
                        cache.layout(),
                        shape,
                        keyValueHead,
                        Math.min(heads, shape.group() - head),
                        firstPosition + token,
                        Math.min(together, tokens - token),
                        queries,
                        out,
                        offset + token * stride + head * shape.headSize(),
                        stride,
                        workspace);
            }
        }
    }

    private static int tokensPerCall(long products) {
        return Math.clamp(PRODUCTS_PER_CALL / products, 1, Workspace.ATTENTION_TOKENS);
    }

    private static int type(KvType type) {
        if (type == KvType.KV16) {
            return 0;
        }
        return type == KvType.KV32 ? 1 : UNKNOWN;
    }

    /// What Java would have found out by itself.
    private static void checkAttention(
            KvCache cache,
            AttentionShape shape,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        long groupWidth = (long) shape.group() * shape.headSize();
        long end = offset + (tokens - 1L) * stride + groupWidth;
        if (firstPosition < 0
                || tokens < 0
                || tokens > Workspace.ATTENTION_TOKENS
                || firstPosition + tokens > workspace.positions()
                || (long) tokens * shape.group() * workspace.positions() > workspace.scores().length
                || shape.headSize() * KvLayout.PAGE_POSITIONS > workspace.page().length
                || shape.headSize() != cache.layout().headSize(shape.layer())
                || offset < 0
                || stride < 0
                || end > queries.length
                || end > out.length) {
            throw new IllegalArgumentException(
                    "%s: %d tokens from %d on by %d, room for %d, from %d of %d and %d"
                            .formatted(
                                    shape,
                                    tokens,
                                    firstPosition,
                                    stride,
                                    workspace.positions(),
                                    offset,
                                    queries.length,
                                    out.length));
        }
    }

    /// Addresses of the pages of positions `first` to `end`; the caller keeps them alive.
    private static void findPages(KvCache cache, int first, int end, Workspace workspace) {
        long bytes = cache.layout().pageBytes();
        int lastPage = (end - 1) / KvLayout.PAGE_POSITIONS;
        for (int page = first / KvLayout.PAGE_POSITIONS; page <= lastPage; page++) {
            MemorySegment memory = cache.page(page);
            if (!memory.isNative() || memory.byteSize() < bytes) {
                throw new IllegalArgumentException("page " + page + " is " + memory);
            }
            workspace.addresses()[page] = memory.address();
        }
    }

    private void attend(
            int type,
            KvLayout layout,
            AttentionShape shape,
            int keyValueHead,
            int heads,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        try {
            FUNCTIONS
                    .attend()
                    .invokeExact(
                            tier.number(),
                            type,
                            MemorySegment.ofArray(workspace.addresses()),
                            layout.keys(shape.layer(), keyValueHead),
                            layout.values(shape.layer(), keyValueHead),
                            shape.headSize(),
                            heads,
                            shape.scale(),
                            shape.softCap(),
                            shape.window(),
                            firstPosition,
                            tokens,
                            MemorySegment.ofArray(queries),
                            MemorySegment.ofArray(out),
                            (long) offset,
                            (long) stride,
                            MemorySegment.ofArray(workspace.scores()),
                            (long) workspace.positions(),
                            MemorySegment.ofArray(workspace.page()));
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        portable.siluGate(gate, up, from, to, workspace);
    }

    @Override
    public void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        portable.geluGate(gate, up, from, to, workspace);
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        portable.add(x, xOffset, y, yOffset, count);
    }

    @Override
    public void softCap(float cap, float[] x, int from, int to, Workspace workspace) {
        portable.softCap(cap, x, from, to, workspace);
    }

    @Override
    public boolean isFinite(float[] x, int offset, int count) {
        return portable.isFinite(x, offset, count);
    }

    @Override
    public void apply(
            ElementaryFunction function, float[] x, int from, int to, Workspace workspace) {
        portable.apply(function, x, from, to, workspace);
    }
}
