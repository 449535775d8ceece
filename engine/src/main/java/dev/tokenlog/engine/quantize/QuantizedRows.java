package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Some consecutive rows of a matrix, quantized.
///
/// @param codes packed, row after row
/// @param scales F16, little-endian, row after row
/// @param zeros a byte for each scale of a code with zero points; otherwise empty
/// @param errors against the source
public record QuantizedRows(byte[] codes, byte[] scales, byte[] zeros, ErrorMeasures errors) {

    /// Numbers of rows that are encoded by one call: a few tenths of a millisecond.
    private static int atOnce(Scales how) {
        return switch (how) {
            case ABSMAX -> 1 << 18;
            case LEAST_SQUARES -> 1 << 14;
        };
    }

    private static final int INFINITY = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

    /// Quantizes rows `[fromRow, toRow)`.
    ///
    /// @param groupSize columns that share a scale
    /// @throws EngineException `UNSUPPORTED`, naming tensor, row and column: a value is not finite,
    ///   or a scale does not fit F16
    public static QuantizedRows of(
            RowSource source,
            NumberCode numberCode,
            int groupSize,
            Scales scales,
            int fromRow,
            int toRow) {
        return of(source, numberCode, groupSize, scales, Sparsity.NONE, fromRow, toRow);
    }

    /// The same of sparse rows; the errors are against the source.
    public static QuantizedRows of(
            RowSource source,
            NumberCode numberCode,
            int groupSize,
            Scales scales,
            Sparsity sparsity,
            int fromRow,
            int toRow) {
        if (sparsity.equals(Sparsity.NONE)) {
            Optional<QuantizedRows> rows =
                    RowEncoders.of(numberCode, scales)
                            .flatMap(encoder ->
                                    by(
                                            encoder,
                                            source,
                                            numberCode,
                                            scales,
                                            groupSize,
                                            fromRow,
                                            toRow));
            if (rows.isPresent()) {
                return rows.get();
            }
        }
        return inJava(source, numberCode, groupSize, scales, sparsity, fromRow, toRow);
    }

    /// Empty where something has to be refused: Java says what.
    static Optional<QuantizedRows> by(
            RowEncoder encoder,
            RowSource source,
            NumberCode code,
            Scales how,
            int groupSize,
            int fromRow,
            int toRow) {
        int columns = source.columns();
        int rows = toRow - fromRow;
        int atOnce = Math.clamp(atOnce(how) / columns, 1, rows);
        long rowBytes = code.bytesPerRow(columns);
        long scaleBytes = 2L * Math.ceilDiv(columns, groupSize);
        byte[] codes = new byte[Math.toIntExact(rows * rowBytes)];
        byte[] scales = new byte[Math.toIntExact(rows * scaleBytes)];
        ErrorMeasures errors = new ErrorMeasures();
        RowsAtOnce some = RowsAtOnce.of(source, atOnce);
        for (int done = 0; done < rows; done += atOnce) {
            int count = Math.min(atOnce, rows - done);
            boolean encoded =
                    encoder.encode(
                            code,
                            how,
                            some.type(),
                            some.read(fromRow + done, count),
                            count,
                            columns,
                            groupSize,
                            MemorySegment.ofArray(codes).asSlice(done * rowBytes),
                            MemorySegment.ofArray(scales).asSlice(done * scaleBytes),
                            errors.sums());
            if (!encoded) {
                return Optional.empty();
            }
        }
        return Optional.of(new QuantizedRows(codes, scales, new byte[0], errors));
    }

    static QuantizedRows inJava(
            RowSource source,
            NumberCode numberCode,
            int groupSize,
            Scales scales,
            Sparsity sparsity,
            int fromRow,
            int toRow) {
        GroupCode code = GroupCode.of(numberCode);
        boolean searches = scales == Scales.LEAST_SQUARES && code.scales().size() > 1;
        LeastSquares search = new LeastSquares();
        Packed packed = new Packed(source, numberCode, groupSize, toRow - fromRow);
        for (int row = fromRow; row < toRow; row++) {
            source.row(row, packed.x);
            checkFinite(packed.x, source.name(), row);
            float[] x = sparsity.of(packed.x);
            for (int group = 0; group < packed.groups; group++) {
                int from = group * groupSize;
                int to = Math.min(from + groupSize, x.length);
                short scale = code.scale(x, from, to);
                float first = Float.float16ToFloat(scale);
                if (Float.isInfinite(first)) {
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            "tensor '%s' row %d columns %d to %d: the scale does not fit F16"
                                    .formatted(source.name(), row, from, to - 1));
                }
                if (searches && first != 0) {
                    scale = search.scale(code, x, from, to, scale);
                }
                int zero = code.zeroPoint(x, from, to, scale);
                code.encode(x, from, to, scale, zero, packed.q);
                packed.scales[group] = scale;
                packed.zeros[group] = (byte) zero;
            }
            packed.add();
        }
        return packed.rows();
    }

    /// Rows `[fromRow, toRow)` of a source that [RowSource#holds] the code: nothing is rounded.
    ///
    /// @throws EngineException `UNSUPPORTED`, naming tensor, row and column: a value is not finite
    public static QuantizedRows takenOver(
            RowSource source, NumberCode numberCode, int groupSize, int fromRow, int toRow) {
        Packed packed = new Packed(source, numberCode, groupSize, toRow - fromRow);
        for (int row = fromRow; row < toRow; row++) {
            source.row(row, packed.x);
            checkFinite(packed.x, source.name(), row);
            source.codes(numberCode, row, packed.q, packed.scales, packed.zeros);
            packed.add();
        }
        return packed.rows();
    }

    /// Rows on their way into their packed form, with what one of them needs.
    private static final class Packed {
        private final GroupCode code;
        private final int groupSize;
        private final int groups;
        private final int rowBytes;
        private final float[] x;
        private final short[] q;
        private final short[] scales;
        private final byte[] zeros;
        private final byte[] codeBytes;
        private final byte[] scaleBytes;
        private final byte[] zeroBytes;
        private final ErrorMeasures errors = new ErrorMeasures();
        private int row;

        Packed(RowSource source, NumberCode numberCode, int groupSize, int rows) {
            this.code = GroupCode.of(numberCode);
            this.groupSize = groupSize;
            int columns = source.columns();
            groups = Math.ceilDiv(columns, groupSize);
            rowBytes = Math.toIntExact(numberCode.bytesPerRow(columns));
            x = new float[columns];
            q = new short[columns];
            scales = new short[groups];
            zeros = new byte[groups];
            codeBytes = new byte[Math.multiplyExact(rows, rowBytes)];
            scaleBytes = new byte[Math.multiplyExact(rows, groups * 2)];
            zeroBytes = new byte[numberCode.hasZeroPoints() ? rows * groups : 0];
        }

        /// Packs the row that `x`, `q` and `scales` hold.
        void add() {
            for (int group = 0; group < groups; group++) {
                int from = group * groupSize;
                int to = Math.min(from + groupSize, x.length);
                int at = (row * groups + group) * 2;
                scaleBytes[at] = (byte) scales[group];
                scaleBytes[at + 1] = (byte) (scales[group] >>> 8);
                float scale = Float.float16ToFloat(scales[group]);
                errors.add(x, code, q, scale, zeros[group] & 0xff, from, to);
            }
            if (zeroBytes.length > 0) {
                System.arraycopy(zeros, 0, zeroBytes, row * groups, groups);
            }
            code.pack(q, x.length, codeBytes, row * rowBytes);
            row++;
        }

        QuantizedRows rows() {
            return new QuantizedRows(codeBytes, scaleBytes, zeroBytes, errors);
        }
    }

    /// Quantizes rows of a float matrix.
    public static QuantizedRows of(
            Matrix.Float source,
            NumberCode numberCode,
            int groupSize,
            Scales scales,
            int fromRow,
            int toRow) {
        return of(new FloatRows(source), numberCode, groupSize, scales, fromRow, toRow);
    }

    record FloatRows(Matrix.Float matrix) implements RowSource {

        @Override
        public String name() {
            return matrix.name();
        }

        @Override
        public int columns() {
            return matrix.columns();
        }

        @Override
        public Optional<Matrix.Float> floats() {
            return Optional.of(matrix);
        }

        @Override
        public void row(int row, float[] into) {
            Floats.widen(
                    matrix.type(), matrix.data(), (long) row * columns(), into, matrix.columns());
        }
    }

    static void checkFinite(float[] x, String tensor, int row) {
        // First all at once, without a way out that would keep it from becoming vectors.
        int largest = 0;
        for (float each : x) {
            largest = Math.max(largest, Float.floatToRawIntBits(each) & 0x7fffffff);
        }
        if (largest < INFINITY) {
            return;
        }
        for (int column = 0; column < x.length; column++) {
            if (!Float.isFinite(x[column])) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "tensor '%s' row %d column %d: the value is %s"
                                .formatted(tensor, row, column, x[column]));
            }
        }
    }
}
