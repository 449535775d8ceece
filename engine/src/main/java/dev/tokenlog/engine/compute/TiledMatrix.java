package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/// Weights in tiles of 32 rows for the vector kernels: the rows of a tile are lanes, so nothing is
/// summed across lanes.
///
/// A tile holds its groups of columns one after the other, so that it is read as one stream. A
/// group is its 32 scales, its 32 zero points as F16 where the code has them, then the codes of its
/// blocks of 32 columns. A block is cut into words: a word is the codes of a few neighbouring
/// columns of one row, mostly in the bits that the artifact has them ([TiledCode]), and the words
/// of all rows for the same columns stand side by side.
///
/// Scales, and words of 16 bits, are in the order of rows 0, 16, 1, 17 … 15, 31: seen as 32-bit
/// lanes, their low halves are rows 0 to 15 and their high halves rows 16 to 31, each in order.
/// Words of 32 bits are in the order of rows. The last tile is filled up with zeros.
record TiledMatrix(
        Matrix.Quantized source,
        TiledCode code,
        int blocks,
        int groupBlocks,
        long tileBytes,
        MemorySegment tiles)
        implements PreparedMatrix {

    /// Rows of a tile.
    static final int ROWS = 32;

    /// Bytes of the scales of a group.
    static final int SCALE_BYTES = 2 * ROWS;

    private static final int ALIGNMENT = 64;
    private static final int NOT_FINITE = 0x7c00;

    /// What a Java array holds.
    private static final long LARGEST_TILE = Integer.MAX_VALUE - 8;

    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    @Override
    public boolean readsSource() {
        return false;
    }

    /// @return weights in tiles; or as they are stored, if a scale is an infinity or a NaN, which
    ///   the kernels for tiles do not widen, or if rows are so long that no array holds a tile
    static PreparedMatrix of(Matrix.Quantized weights, Arena arena) {
        TiledCode code = TiledCode.of(weights.code());
        int blocks = Math.ceilDiv(weights.columns(), BLOCK);
        int groups = weights.groupsPerRow();
        int groupBlocks = groups == 1 ? blocks : weights.groupSize() / BLOCK;
        long tileBytes = (long) groups * headBytes(weights) + (long) blocks * code.blockBytes();
        if (tileBytes > LARGEST_TILE) {
            return new AsStored(weights);
        }
        int count = Math.ceilDiv(weights.rows(), ROWS);
        TiledMatrix matrix =
                new TiledMatrix(
                        weights,
                        code,
                        blocks,
                        groupBlocks,
                        tileBytes,
                        allocate(count * tileBytes, weights.name(), arena));
        int rowBytes = blocks * code.blockBytes() / ROWS;
        byte[] rows = new byte[ROWS * rowBytes];
        short[] q = new short[weights.columns()];
        byte[] tile = new byte[(int) tileBytes];
        for (int i = 0; i < count; i++) {
            if (!matrix.packScales(i, tile)) {
                return new AsStored(weights);
            }
            matrix.packCodes(i, rows, rowBytes, q, tile);
            MemorySegment.copy(
                    tile, 0, matrix.tiles, ValueLayout.JAVA_BYTE, i * tileBytes, tile.length);
        }
        return matrix;
    }

    private static MemorySegment allocate(long bytes, String tensor, Arena arena) {
        try {
            return arena.allocate(bytes, ALIGNMENT);
        } catch (OutOfMemoryError e) {
            throw new EngineException(
                    EngineException.Reason.UNSUPPORTED,
                    "no memory for %d MiB of tiled weights of %s".formatted(bytes >> 20, tensor)
                            + "; free memory, or choose kernels that need no second copy:"
                            + " tokenlog.compute=scalar",
                    e);
        }
    }

    /// @return whether they are all finite
    private boolean packScales(int tile, byte[] to) {
        int groups = source.groupsPerRow();
        boolean finite = true;
        for (int row = 0; row < ROWS; row++) {
            int from = tile * ROWS + row;
            for (int group = 0; group < groups; group++) {
                short scale =
                        from < source.rows()
                                ? source.scales()
                                        .get(
                                                ScalarKernels.SHORT,
                                                2L * ((long) from * groups + group))
                                : 0;
                finite &= (scale & NOT_FINITE) != NOT_FINITE;
                SHORTS.set(to, (int) groupStart(group) + 2 * interleaved(row), scale);
                if (source.zeros() != null && from < source.rows()) {
                    int zero =
                            source.zeros().get(ValueLayout.JAVA_BYTE, (long) from * groups + group)
                                    & 0xff;
                    SHORTS.set(
                            to,
                            (int) groupStart(group) + SCALE_BYTES + 2 * interleaved(row),
                            Float.floatToFloat16(code.centre() - zero));
                }
            }
        }
        return finite;
    }

    private void packCodes(int tile, byte[] rows, int rowBytes, short[] q, byte[] to) {
        int stored = (int) source.bytesPerRow();
        boolean asStored = code.isStored(source.code());
        GroupCode group = GroupCode.of(source.code());
        byte[] one = new byte[asStored ? 0 : stored];
        for (int row = 0; row < ROWS; row++) {
            int from = tile * ROWS + row;
            int start = row * rowBytes;
            if (from < source.rows() && !asStored) {
                MemorySegment.copy(
                        source.codes(),
                        ValueLayout.JAVA_BYTE,
                        (long) from * stored,
                        one,
                        0,
                        stored);
                group.unpack(one, 0, q.length, q);
                Arrays.fill(rows, start, start + rowBytes, (byte) 0);
                code.lay(group, q, rows, start);
            } else if (from < source.rows()) {
                MemorySegment.copy(
                        source.codes(),
                        ValueLayout.JAVA_BYTE,
                        (long) from * stored,
                        rows,
                        start,
                        stored);
            } else {
                Arrays.fill(rows, start, start + rowBytes, (byte) 0);
            }
        }
        int wordBytes = code.wordBytes();
        int words = code.blockBytes() / ROWS / wordBytes;
        for (int block = 0; block < blocks; block++) {
            int at = (int) blockStart(block);
            for (int word = 0; word < words; word++) {
                int from = (block * words + word) * wordBytes;
                int line = at + word * ROWS * wordBytes;
                for (int row = 0; row < ROWS; row++) {
                    int source = row * rowBytes + from;
                    if (wordBytes == Short.BYTES) {
                        SHORTS.set(
                                to, line + 2 * interleaved(row), (short) SHORTS.get(rows, source));
                    } else {
                        INTS.set(to, line + 4 * row, (int) INTS.get(rows, source));
                    }
                }
            }
        }
    }

    private static int interleaved(int row) {
        return 2 * (row % 16) + row / 16;
    }

    /// What a product of operands counts in, beside the scale.
    float unit() {
        return code == TiledCode.WIDE ? GroupCode.of(source.code()).unit() : 1f;
    }

    /// Bytes of a group before its codes.
    private static int headBytes(Matrix.Quantized weights) {
        return weights.zeros() == null ? SCALE_BYTES : 2 * SCALE_BYTES;
    }

    /// Where a group begins in a tile: its scales.
    private long groupStart(int group) {
        return group * (headBytes(source) + (long) groupBlocks * code.blockBytes());
    }

    /// Where the codes of a block begin in a tile.
    private long blockStart(int block) {
        return (block / groupBlocks + 1L) * headBytes(source) + (long) block * code.blockBytes();
    }

    /// Where the scales of a block of a tile lie.
    long scalesAt(int tile, int block) {
        return tile * tileBytes + groupStart(block / groupBlocks);
    }

    /// Where the zero points of a block of a tile lie.
    long zerosAt(int tile, int block) {
        return scalesAt(tile, block) + SCALE_BYTES;
    }

    /// Where the codes of a block of a tile lie.
    long codesAt(int tile, int block) {
        return tile * tileBytes + blockStart(block);
    }
}
