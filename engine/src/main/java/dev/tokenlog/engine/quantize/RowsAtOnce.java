package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Some rows of a source in an array, one behind the other: a copy, because code that is not Java's
/// must not read a mapped file, which may become shorter.
abstract sealed class RowsAtOnce {

    /// @param most rows that are read at once
    static RowsAtOnce of(RowSource source, int most) {
        Optional<Matrix.Float> floats = source.floats();
        return floats.isPresent() ? new Copied(floats.get(), most) : new Decoded(source, most);
    }

    /// F32, F16 or BF16.
    abstract DataType type();

    /// The rows, until the next ones are read.
    abstract MemorySegment read(int first, int count);

    /// As they lie in the file.
    private static final class Copied extends RowsAtOnce {

        /// A thread's array, since a new one for every few rows is as many bytes of garbage as the
        /// source has.
        private static final ThreadLocal<byte[]> ROOM = ThreadLocal.withInitial(() -> new byte[0]);

        private final Matrix.Float matrix;
        private final long rowBytes;
        private final MemorySegment copy;

        Copied(Matrix.Float matrix, int most) {
            this.matrix = matrix;
            this.rowBytes = (long) matrix.columns() * matrix.type().bytes();
            int bytes = Math.toIntExact(most * rowBytes);
            if (ROOM.get().length < bytes) {
                ROOM.set(new byte[bytes]);
            }
            this.copy = MemorySegment.ofArray(ROOM.get());
        }

        @Override
        DataType type() {
            return matrix.type();
        }

        @Override
        MemorySegment read(int first, int count) {
            MemorySegment.copy(matrix.data(), first * rowBytes, copy, 0, count * rowBytes);
            return copy;
        }
    }

    private static final class Decoded extends RowsAtOnce {

        private final RowSource source;
        private final float[] row;
        private final float[] rows;

        Decoded(RowSource source, int most) {
            this.source = source;
            this.row = new float[source.columns()];
            this.rows = new float[Math.multiplyExact(most, row.length)];
        }

        @Override
        DataType type() {
            return DataType.F32;
        }

        @Override
        MemorySegment read(int first, int count) {
            for (int i = 0; i < count; i++) {
                source.row(first + i, row);
                System.arraycopy(row, 0, rows, i * row.length, row.length);
            }
            return MemorySegment.ofArray(rows);
        }
    }
}
