package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.gguf.BlockCodes;
import dev.tokenlog.engine.format.gguf.BlockDecoder;
import dev.tokenlog.engine.format.gguf.GgufTensor;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/// A tensor of a GGUF file, or the part of one that is a tensor on the hub, with what llama.cpp's
/// converter did to it undone:
///
/// - rows of query and key: it puts row `j·n/2 + i` of a head of `n` rows at `2i + j` (j 0 or 1),
///   since its rotation pairs neighbours. Rows are moved as they are, so codes stay whole;
/// - norms of families that multiply by 1 + w: it stores 1 + w. Taking 1 off gives w rounded as the
///   sum was; the sum, formed again, has the same bits.
///
/// @param shape as on the hub
/// @param firstRow of the file's tensor
/// @param headSize rows of a head whose rows are to be put back; 0: they lie as they should
/// @param unitOffset whether 1 is taken off
record GgufSourceTensor(
        String name,
        GgufTensor tensor,
        List<Long> shape,
        long firstRow,
        int headSize,
        boolean unitOffset)
        implements SourceTensor {

    private static final ValueLayout.OfFloat F32 =
            JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static GgufSourceTensor whole(
            String name, GgufTensor tensor, int headSize, boolean unitOffset) {
        return new GgufSourceTensor(name, tensor, tensor.shape(), 0, headSize, unitOffset);
    }

    /// One of the matrices of a tensor `[experts, rows, columns]`.
    static GgufSourceTensor expert(String name, GgufTensor tensor, int expert) {
        List<Long> shape = tensor.shape().subList(1, 3);
        return new GgufSourceTensor(name, tensor, shape, expert * shape.getFirst(), 0, false);
    }

    @Override
    public String type() {
        return tensor.type().name();
    }

    @Override
    public int columns() {
        return Math.toIntExact(shape.getLast());
    }

    private int rows() {
        return Math.toIntExact(elements() / shape.getLast());
    }

    @Override
    public MemorySegment stored() {
        return tensor.data().asSlice(firstRow * tensor.rowBytes(), rows() * tensor.rowBytes());
    }

    /// Where a row of the hub's tensor begins in the file's.
    private long begin(int row) {
        return (firstRow + placeOf(row)) * tensor.rowBytes();
    }

    /// Where the file has what the hub has at this place.
    private int placeOf(int row) {
        if (headSize == 0) {
            return row;
        }
        int within = row % headSize;
        int half = headSize / 2;
        return row - within + within % half * 2 + within / half;
    }

    @Override
    public void row(int row, float[] into) {
        BlockDecoder.row(tensor.type(), tensor.data(), begin(row), into, columns());
    }

    @Override
    public boolean holds(NumberCode code, int groupSize) {
        return BlockCodes.of(tensor.type())
                .filter(codes -> codes.groupSize() == groupSize && codes.fits(code))
                .isPresent();
    }

    @Override
    public void codes(NumberCode code, int row, short[] q, short[] scales, byte[] zeros) {
        BlockCodes.of(tensor.type())
                .orElseThrow()
                .row(tensor.data(), begin(row), columns(), q, scales);
    }

    @Override
    public Matrix.Float matrix(Arena arena) {
        DataType plain =
                switch (tensor.type()) {
                    case F32 -> DataType.F32;
                    case F16 -> DataType.F16;
                    case BF16 -> DataType.BF16;
                    default -> null;
                };
        if (plain != null && headSize == 0) {
            return new Matrix.Float(name, plain, rows(), columns(), stored());
        }
        if (plain != null) {
            return new Matrix.Float(name, plain, rows(), columns(), sortedRows(arena));
        }
        MemorySegment decoded = arena.allocate(4L * rows() * columns(), 64);
        float[] values = new float[columns()];
        for (int row = 0; row < rows(); row++) {
            row(row, values);
            MemorySegment.copy(values, 0, decoded, F32, 4L * row * columns(), columns());
        }
        return new Matrix.Float(name, DataType.F32, rows(), columns(), decoded);
    }

    private MemorySegment sortedRows(Arena arena) {
        long rowBytes = tensor.rowBytes();
        MemorySegment sorted = arena.allocate(rows() * rowBytes, 64);
        for (int row = 0; row < rows(); row++) {
            MemorySegment.copy(tensor.data(), begin(row), sorted, row * rowBytes, rowBytes);
        }
        return sorted;
    }

    @Override
    public float[] vector() {
        float[] stored = new float[Math.toIntExact(elements())];
        int columns = columns();
        float[] row = new float[columns];
        for (int r = 0; r < rows(); r++) {
            BlockDecoder.row(
                    tensor.type(), tensor.data(), (firstRow + r) * tensor.rowBytes(), row, columns);
            System.arraycopy(row, 0, stored, r * columns, columns);
        }
        float[] values = new float[stored.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = unitOffset ? withoutOne(stored[placeOf(i)], i) : stored[placeOf(i)];
        }
        return values;
    }

    private float withoutOne(float sum, int element) {
        float w = sum - 1;
        if (1 + w != sum) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "tensor '%s' (%s) element %d: %s is no sum of 1 and a float"
                            .formatted(tensor.name(), name, element, sum));
        }
        return w;
    }
}
