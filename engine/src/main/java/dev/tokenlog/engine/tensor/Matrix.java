package dev.tokenlog.engine.tensor;

import java.lang.foreign.MemorySegment;

/// A weight matrix `[rows, columns]` as it lies in a file: rows are outputs, columns are inputs.
public sealed interface Matrix {

    String name();

    int rows();

    int columns();

    /// Some of the rows, as a matrix over the same memory.
    Matrix rows(int from, int count);

    /// Lets the pages of a mapped file leave this process's memory. They come back when they are
    /// read.
    void unload();

    private static void unload(MemorySegment segment) {
        if (segment.isMapped()) {
            segment.unload();
        }
    }

    /// Unquantized weights, row-major, little-endian; F32, F16 or BF16.
    record Float(String name, DataType type, int rows, int columns, MemorySegment data)
            implements Matrix {

        @Override
        public Float rows(int from, int count) {
            long rowBytes = (long) columns * type.bytes();
            return new Float(
                    name, type, count, columns, data.asSlice(from * rowBytes, count * rowBytes));
        }

        @Override
        public void unload() {
            Matrix.unload(data);
        }
    }

    /// Codes with scales, row-major, really packed ([NumberCode#bytesPerRow]); what a code is worth
    /// stands in `quantize`.
    ///
    /// @param groupSize columns that share a scale: a multiple of 32, or `columns` for one scale
    ///   per row
    /// @param codes of all rows
    /// @param scales F16, row-major `[rows, ceil(columns / groupSize)]`; may be negative
    /// @param zeros zero points of the codes that have them: a byte without sign for each scale;
    ///   otherwise null
    record Quantized(
            String name,
            NumberCode code,
            int rows,
            int columns,
            int groupSize,
            MemorySegment codes,
            MemorySegment scales,
            MemorySegment zeros)
            implements Matrix {

        public Quantized {
            if (code.hasZeroPoints() != (zeros != null)) {
                throw new IllegalArgumentException(name + ": zero points do not go with " + code);
            }
        }

        /// Of a code without zero points.
        public Quantized(
                String name,
                NumberCode code,
                int rows,
                int columns,
                int groupSize,
                MemorySegment codes,
                MemorySegment scales) {
            this(name, code, rows, columns, groupSize, codes, scales, null);
        }

        @Override
        public Quantized rows(int from, int count) {
            long groups = groupsPerRow();
            return new Quantized(
                    name,
                    code,
                    count,
                    columns,
                    groupSize,
                    codes.asSlice(from * bytesPerRow(), count * bytesPerRow()),
                    scales.asSlice(2 * from * groups, 2 * count * groups),
                    zeros == null ? null : zeros.asSlice(from * groups, count * groups));
        }

        @Override
        public void unload() {
            Matrix.unload(codes);
            Matrix.unload(scales);
            if (zeros != null) {
                Matrix.unload(zeros);
            }
        }

        public int groupsPerRow() {
            return Math.ceilDiv(columns, groupSize);
        }

        public long bytesPerRow() {
            return code.bytesPerRow(columns);
        }
    }
}
