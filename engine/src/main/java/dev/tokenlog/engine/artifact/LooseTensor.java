package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/// A tensor of an NPZ archive or of a manifest with loose arrays: codes, scales and zero points, or
/// floats. Its values are those of numpy in float32, to the bit:
///
/// - integers: `(q - zero_point) * scale`, whatever the manifest calls the method;
/// - one bit: `scale` where the bit is 1, `-scale` where it is 0, the most significant bit first,
///   rows padded to whole bytes (`numpy.packbits`).
///
/// Scales and zero points are one for all, one for each row, or one for each group of columns in
/// each row; "rows" are those of the file.
final class LooseTensor implements SourceTensor {

    private static final ValueLayout.OfFloat F32 =
            JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int FLOAT = 32;

    private final String key;
    private final String name;
    private final int bits;
    private final boolean transposed;
    private final int groupSize;
    private final int rows;
    private final int columns;
    private final LooseArray codes;
    private final LooseArray scales;
    private final LooseArray zeroPoints;

    /// @param key what the file calls it
    /// @param name what the hub calls it
    /// @param bits 1, 2, 4 or 8; 32 for floats
    /// @param transposed whether the file's rows are the hub's columns
    /// @param shape of the file's tensor, where it is stated
    /// @param groupSize columns of the file that share a scale; 0 for whole rows
    /// @param scales null for floats
    /// @param zeroPoints null where they are 0
    LooseTensor(
            String key,
            String name,
            int bits,
            boolean transposed,
            List<Long> shape,
            int groupSize,
            LooseArray codes,
            LooseArray scales,
            LooseArray zeroPoints) {
        this.key = key;
        this.name = name;
        this.bits = bits;
        this.transposed = transposed;
        this.codes = codes;
        this.scales = scales;
        this.zeroPoints = zeroPoints;
        if (bits == 1) {
            if (shape == null || shape.size() != 2 || shape.getLast() > Integer.MAX_VALUE - 8L) {
                throw unreadable(codes, "packed bits need a stated shape of two dimensions");
            }
            this.rows = codes.rows();
            this.columns = shape.getLast().intValue();
            boolean fits =
                    shape.getFirst() == rows
                            && columns > 0
                            && codes.columns() == Math.ceilDiv(columns, 8);
            if (!fits) {
                throw unreadable(codes, codes.shape() + " bytes cannot hold the bits of " + shape);
            }
        } else {
            this.rows = codes.rows();
            this.columns = codes.columns();
            if (shape != null && !shape.equals(codes.shape())) {
                throw unreadable(codes, "shape " + codes.shape() + ", but stated is " + shape);
            }
        }
        this.groupSize = groupSize == 0 ? columns : groupSize;
        checkTypes();
    }

    private void checkTypes() {
        if (bits == FLOAT) {
            if (!codes.isFloat()) {
                throw unsupported(
                        codes, "floats of type " + codes.type() + ", expected F32 or F16");
            }
            return;
        }
        if (bits == 1 ? codes.type() != DataType.U8 : !codes.isInteger()) {
            throw unsupported(codes, "codes of type " + codes.type());
        }
        if (scales == null || !scales.isFloat()) {
            throw unsupported(
                    scales == null ? codes : scales,
                    scales == null
                            ? "has no scales"
                            : "scales of type " + scales.type() + ", expected F32 or F16");
        }
        requirePlaces(scales, "scales");
        if (zeroPoints != null) {
            if (!zeroPoints.isInteger()) {
                throw unsupported(zeroPoints, "zero points of type " + zeroPoints.type());
            }
            requirePlaces(zeroPoints, "zero points");
        }
    }

    private void requirePlaces(LooseArray each, String what) {
        long count = each.elements();
        boolean right = count == 1 || count == rows || count == (long) rows * groups();
        if (!right || each.fortranOrder() && each.shape().size() > 1) {
            throw unreadable(
                    each,
                    "%s %s do not fit %d rows of %d groups"
                            .formatted(each.shape(), what, rows, groups()));
        }
    }

    private int groups() {
        return Math.ceilDiv(columns, groupSize);
    }

    /// What the file calls it.
    String key() {
        return key;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String type() {
        return bits == FLOAT ? codes.type().name() : "q" + bits;
    }

    /// `int4-row`, `int8-g32`, `int1-row`; null for floats.
    String quantization() {
        return bits == FLOAT
                ? null
                : "int" + bits + (groupSize == columns ? "-row" : "-g" + groupSize);
    }

    /// The shape in the file.
    List<Long> storedShape() {
        return bits == 1 ? List.of((long) rows, (long) columns) : codes.shape();
    }

    @Override
    public List<Long> shape() {
        List<Long> stored = storedShape();
        return transposed && stored.size() == 2 ? stored.reversed() : stored;
    }

    /// The arrays as they are stored, for a digest.
    MemorySegment[] parts() {
        return Stream.of(codes, scales, zeroPoints)
                .filter(Objects::nonNull)
                .map(array -> array.numbers().get())
                .toArray(MemorySegment[]::new);
    }

    @Override
    public MemorySegment stored() {
        return codes.numbers().get();
    }

    @Override
    public int columns() {
        return transposed ? rows : columns;
    }

    private int shownRows() {
        return transposed ? columns : rows;
    }

    @Override
    public void row(int row, float[] into) {
        if (transposed) {
            decode(0, row, rows, true, into);
        } else {
            decode(row, 0, columns, false, into);
        }
    }

    /// A row of the file's tensor.
    void storedRow(int row, float[] into) {
        decode(row, 0, columns, false, into);
    }

    /// `count` numbers from a place, along a row or down a column.
    private void decode(int row, int column, int count, boolean down, float[] into) {
        MemorySegment q = codes.numbers().get();
        MemorySegment s = scales == null ? null : scales.numbers().get();
        MemorySegment z = zeroPoints == null ? null : zeroPoints.numbers().get();
        for (int i = 0; i < count; i++) {
            int r = down ? row + i : row;
            int c = down ? column : column + i;
            if (bits == FLOAT) {
                into[i] = LooseArray.number(codes.type(), q, codes.index(r, c));
                continue;
            }
            float scale = LooseArray.number(scales.type(), s, place(scales, r, c));
            if (bits == 1) {
                byte eight = q.get(ValueLayout.JAVA_BYTE, codes.index(r, c >> 3));
                into[i] = (eight >> (7 - (c & 7)) & 1) == 1 ? scale : -scale;
            } else {
                into[i] = (float) (code(q, r, c) - zero(z, r, c)) * scale;
            }
        }
    }

    private long place(LooseArray each, int row, int column) {
        long count = each.elements();
        return count == 1 ? 0 : count == rows ? row : (long) row * groups() + column / groupSize;
    }

    private long code(MemorySegment q, int row, int column) {
        long code = LooseArray.integer(codes.type(), q, codes.index(row, column));
        boolean signed = codes.type() != DataType.U8 && code < 0;
        long magnitude = signed ? -code - 1 : code;
        if (magnitude >> (signed ? bits - 1 : bits) != 0) {
            throw unreadable(
                    codes,
                    "row %d column %d: code %d does not fit %d bits"
                            .formatted(row, column, code, bits));
        }
        return code;
    }

    /// Whether nothing has to be rounded to write it in one of our codes: the same groups, scales
    /// that F16 holds, and integers in the code's range.
    @Override
    public boolean holds(NumberCode code, int size) {
        if (transposed || bits != code.bits() || bits == 1 || size != groupSize) {
            return false;
        }
        return range(code).holds();
    }

    private record Range(NumberCode code, boolean holds) {}

    private Range known;

    /// Looks at every number once.
    private synchronized Range range(NumberCode code) {
        if (known == null || known.code() != code) {
            known = new Range(code, isExact(code));
        }
        return known;
    }

    private boolean isExact(NumberCode numberCode) {
        GroupCode code = GroupCode.of(numberCode);
        if (!code.isInteger()) {
            return false; // not an integer
        }
        MemorySegment s = scales.numbers().get();
        for (long i = 0; i < scales.elements(); i++) {
            float scale = LooseArray.number(scales.type(), s, i);
            short half = Float.floatToFloat16(scale);
            if (!Float.isFinite(scale)
                    || Float.floatToRawIntBits(Float.float16ToFloat(half))
                            != Float.floatToRawIntBits(scale)) {
                return false;
            }
        }
        MemorySegment q = codes.numbers().get();
        MemorySegment z = zeroPoints == null ? null : zeroPoints.numbers().get();
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                long zero = zero(z, row, column);
                boolean apart = numberCode.hasZeroPoints();
                long one = code(q, row, column) - (apart ? 0 : zero);
                if (one < code.smallest()
                        || one > code.largest()
                        || apart && (zero < 0 || zero > code.largest())) {
                    return false;
                }
            }
        }
        return true;
    }

    private long zero(MemorySegment z, int row, int column) {
        return z == null
                ? 0
                : LooseArray.integer(zeroPoints.type(), z, place(zeroPoints, row, column));
    }

    @Override
    public void codes(NumberCode code, int row, short[] q, short[] rowScales, byte[] rowZeros) {
        MemorySegment stored = codes.numbers().get();
        MemorySegment z = zeroPoints == null ? null : zeroPoints.numbers().get();
        for (int column = 0; column < columns; column++) {
            long zero = code.hasZeroPoints() ? 0 : zero(z, row, column);
            q[column] = (short) (code(stored, row, column) - zero);
        }
        MemorySegment s = scales.numbers().get();
        for (int group = 0; group < groups(); group++) {
            long place = place(scales, row, group * groupSize);
            rowScales[group] = Float.floatToFloat16(LooseArray.number(scales.type(), s, place));
            if (code.hasZeroPoints()) {
                rowZeros[group] = (byte) zero(z, row, group * groupSize);
            }
        }
    }

    @Override
    public Matrix.Float matrix(Arena arena) {
        MemorySegment decoded = arena.allocate(4L * shownRows() * columns(), 64);
        float[] values = new float[columns()];
        for (int row = 0; row < shownRows(); row++) {
            row(row, values);
            MemorySegment.copy(values, 0, decoded, F32, 4L * row * columns(), columns());
        }
        return new Matrix.Float(name, DataType.F32, shownRows(), columns(), decoded);
    }

    @Override
    public float[] vector() {
        if (storedShape().size() > 1) {
            throw unreadable(codes, "shape " + storedShape() + ", expected a list of numbers");
        }
        float[] values = new float[rows];
        decode(0, 0, rows, true, values);
        return values;
    }

    private EngineException unreadable(LooseArray array, String why) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, array.what() + ": tensor '" + key + "': " + why);
    }

    private EngineException unsupported(LooseArray array, String why) {
        return new EngineException(
                Reason.UNSUPPORTED, array.what() + ": tensor '" + key + "': " + why);
    }
}
