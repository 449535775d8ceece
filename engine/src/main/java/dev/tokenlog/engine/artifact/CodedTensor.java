package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.IntStream;

/// A matrix of whole numbers with scales and zero points, as programs that quantize for the hub
/// store it. A value is `(q - z) · s` in float32, which is exact for codes of 8 bits and scales of
/// 16; readers that compute in half precision round that number once more.
final class CodedTensor implements SourceTensor {

    private static final ValueLayout.OfFloat F32 =
            JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Where codes, scales and zero points of a row are.
    @FunctionalInterface
    interface Layout {

        /// @param codes gets each column's, from 0 to 2^bits − 1
        /// @param scales gets each group's
        /// @param zeros gets each group's zero point, of the same range as codes
        void row(int row, int[] codes, float[] scales, int[] zeros);
    }

    /// @param type for manifests: `GPTQ_4`
    /// @param groups of a row
    /// @param groupSize consecutive columns that share a scale
    /// @param groupOf each column's group where it is not `column / groupSize`; else null
    record Form(
            String name,
            String type,
            int rows,
            int columns,
            int groups,
            int groupSize,
            int[] groupOf,
            long bytes) {}

    /// What a look at every number has shown: which codes hold them all.
    private record Facts(
            int smallest, int largest, int largestCode, int largestZero, boolean halfScales) {}

    private final Form form;
    private final MemorySegment stored;
    private final Layout layout;
    private Facts known;

    /// @param stored the codes
    CodedTensor(Form form, MemorySegment stored, Layout layout) {
        this.form = form;
        this.stored = stored;
        this.layout = layout;
    }

    @Override
    public String name() {
        return form.name();
    }

    @Override
    public String type() {
        return form.type();
    }

    @Override
    public List<Long> shape() {
        return List.of((long) form.rows(), (long) form.columns());
    }

    @Override
    public MemorySegment stored() {
        return stored;
    }

    @Override
    public long bytes() {
        return form.bytes();
    }

    @Override
    public int columns() {
        return form.columns();
    }

    private int groupOf(int column) {
        return form.groupOf() == null ? column / form.groupSize() : form.groupOf()[column];
    }

    @Override
    public void row(int row, float[] into) {
        int[] q = new int[form.columns()];
        float[] scales = new float[form.groups()];
        int[] zeros = new int[form.groups()];
        layout.row(row, q, scales, zeros);
        for (int column = 0; column < q.length; column++) {
            int group = groupOf(column);
            into[column] = (q[column] - zeros[group]) * scales[group];
        }
    }

    /// Whether each group of this size lies within one of this matrix's.
    boolean fits(int groupSize) {
        return form.groupOf() == null
                && (form.groups() == 1
                        || groupSize <= form.groupSize() && form.groupSize() % groupSize == 0);
    }

    /// Whether nothing has to be rounded: whole groups, scales that F16 holds, integers in the
    /// code's range.
    @Override
    public boolean holds(NumberCode numberCode, int groupSize) {
        GroupCode code = GroupCode.of(numberCode);
        if (!code.isInteger() || !fits(groupSize)) {
            return false;
        }
        Facts facts = facts();
        boolean codes =
                numberCode.hasZeroPoints()
                        ? facts.largestCode() <= code.largest()
                                && facts.largestZero() <= code.largest()
                        : facts.smallest() >= code.smallest() && facts.largest() <= code.largest();
        return codes && facts.halfScales();
    }

    private synchronized Facts facts() {
        if (known == null) {
            known = look();
        }
        return known;
    }

    private Facts look() {
        int[] q = new int[form.columns()];
        float[] scales = new float[form.groups()];
        int[] zeros = new int[form.groups()];
        int smallest = 0;
        int largest = 0;
        int largestCode = 0;
        int largestZero = 0;
        boolean half = true;
        for (int row = 0; row < form.rows(); row++) {
            layout.row(row, q, scales, zeros);
            for (int column = 0; column < q.length; column++) {
                int operand = q[column] - zeros[groupOf(column)];
                smallest = Math.min(smallest, operand);
                largest = Math.max(largest, operand);
                largestCode = Math.max(largestCode, q[column]);
            }
            for (int group = 0; group < scales.length; group++) {
                largestZero = Math.max(largestZero, zeros[group]);
                half &= isHalf(scales[group]);
            }
        }
        return new Facts(smallest, largest, largestCode, largestZero, half);
    }

    private static boolean isHalf(float scale) {
        float half = Float.float16ToFloat(Float.floatToFloat16(scale));
        return Float.isFinite(scale)
                && Float.floatToRawIntBits(half) == Float.floatToRawIntBits(scale);
    }

    @Override
    public void codes(NumberCode code, int row, short[] q, short[] rowScales, byte[] rowZeros) {
        int[] codes = new int[form.columns()];
        float[] scales = new float[form.groups()];
        int[] zeros = new int[form.groups()];
        layout.row(row, codes, scales, zeros);
        boolean apart = code.hasZeroPoints();
        for (int column = 0; column < codes.length; column++) {
            q[column] = (short) (codes[column] - (apart ? 0 : zeros[groupOf(column)]));
        }
        // Ours may be smaller: each then repeats what its part of the larger one has.
        int wanted = sizeOf(rowScales.length);
        for (int group = 0; group < rowScales.length; group++) {
            int from = groupOf(group * wanted);
            rowScales[group] = Float.floatToFloat16(scales[from]);
            if (apart) {
                rowZeros[group] = (byte) zeros[from];
            }
        }
    }

    /// The group size by which a row has so many groups.
    private int sizeOf(int groups) {
        return IntStream.of(32, 64, 128)
                .filter(size -> groups > 1 && Math.ceilDiv(form.columns(), size) == groups)
                .findFirst()
                .orElse(form.columns());
    }

    @Override
    public Matrix.Float matrix(Arena arena) {
        return decoded(this, form.rows(), arena);
    }

    static Matrix.Float decoded(SourceTensor tensor, int rows, Arena arena) {
        int columns = tensor.columns();
        MemorySegment decoded = arena.allocate(4L * rows * columns, 64);
        float[] values = new float[columns];
        for (int row = 0; row < rows; row++) {
            tensor.row(row, values);
            MemorySegment.copy(values, 0, decoded, F32, 4L * row * columns, columns);
        }
        return new Matrix.Float(tensor.name(), DataType.F32, rows, columns, decoded);
    }

    @Override
    public float[] vector() {
        throw new IllegalStateException(name() + ": a matrix, not a vector");
    }
}
