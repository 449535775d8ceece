package dev.tokenlog.nativekernels;

import static dev.tokenlog.nativekernels.LoadedLibrary.LIBRARY;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Weights in tiles of 16 rows (`tokenlog.h`: `tokenlog_packed_bytes`), outside the Java heap.
///
/// @param code what the library calls the code of the weights
record PackedMatrix(Matrix.Quantized source, NativeLibrary.Code code, MemorySegment tiles)
        implements PreparedMatrix {

    /// Rows that are packed together (`TOKENLOG_TILE`).
    static final int TILE = 16;

    /// Stored codes that are packed together: they stay in a processor's own cache on the way.
    private static final int BYTES_PER_PACK = 1 << 18;

    private static final MethodHandle PACKED_BYTES =
            LIBRARY.function(
                    "tokenlog_packed_bytes", JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);

    private static final MethodHandle PACK =
            LIBRARY.procedure(
                    "tokenlog_pack",
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    ADDRESS,
                    ADDRESS,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS);

    private static final MethodHandle MAP = LIBRARY.function("tokenlog_map", ADDRESS, JAVA_LONG);

    private static final MethodHandle UNMAP =
            LIBRARY.procedure("tokenlog_unmap", ADDRESS, JAVA_LONG);

    private static final MethodHandle PREFETCH =
            LIBRARY.kernel("tokenlog_prefetch", ADDRESS, JAVA_LONG);

    private static final String LIKELY =
            "; free memory, or choose kernels that need no second copy: tokenlog.compute=scalar";

    @Override
    public boolean readsSource() {
        return false;
    }

    @Override
    public boolean prefetch(int row, int piece) {
        long tileBytes = tiles.byteSize() / Math.ceilDiv(source.rows(), TILE);
        long from = row / TILE * tileBytes + (long) piece * PREFETCHED_BYTES;
        if (from >= tiles.byteSize()) {
            return false;
        }
        long bytes = Math.min(PREFETCHED_BYTES, tiles.byteSize() - from);
        try {
            // Only the address: asking for memory that is no longer there does nothing.
            MemorySegment memory = MemorySegment.ofAddress(tiles.address() + from);
            PREFETCH.invokeExact(memory, bytes);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
        return true;
    }

    /// Some rows at a time, by way of memory of our own: where a mapped file has become shorter,
    /// Java says so while it copies; C code would end the process.
    static PackedMatrix of(Matrix.Quantized weights, NativeLibrary.Code code, Arena arena) {
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
            PACK.invokeExact(
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
                    PACKED_BYTES.invokeExact(
                            code.number(), rows, weights.columns(), weights.groupSize());
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    private static MemorySegment map(long bytes, String tensor, Arena arena) {
        MemorySegment memory;
        try {
            memory = (MemorySegment) MAP.invokeExact(bytes);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
        if (memory.equals(MemorySegment.NULL)) {
            throw new EngineException(
                    EngineException.Reason.UNSUPPORTED,
                    "no memory for %d MiB of packed weights of %s".formatted(bytes >> 20, tensor)
                            + LIKELY);
        }
        return memory.reinterpret(bytes, arena, PackedMatrix::unmap);
    }

    private static void unmap(MemorySegment memory) {
        try {
            UNMAP.invokeExact(memory, memory.byteSize());
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }
}
