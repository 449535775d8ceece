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

    /// Integer codes with scales.
    ///
    /// Row-major, really packed: a row takes `ceil(columns * bits / 8)` bytes, the even column in
    /// the low bits. `INT8` stores `q` as a signed byte; `INT4` stores `q + 8`.
    ///
    /// @param groupSize columns that share a scale: a multiple of 32, or `columns` for one scale
    ///   per row
    /// @param codes `rows * ceil(columns * bits / 8)` bytes
    /// @param scales F16, row-major `[rows, ceil(columns / groupSize)]`; may be negative
    record Quantized(
            String name,
            NumberCode code,
            int rows,
            int columns,
            int groupSize,
            MemorySegment codes,
            MemorySegment scales)
            implements Matrix {

        @Override
        public Quantized rows(int from, int count) {
            long scaleBytes = 2L * groupsPerRow();
            return new Quantized(
                    name,
                    code,
                    count,
                    columns,
                    groupSize,
                    codes.asSlice(from * bytesPerRow(), count * bytesPerRow()),
                    scales.asSlice(from * scaleBytes, count * scaleBytes));
        }

        @Override
        public void unload() {
            Matrix.unload(codes);
            Matrix.unload(scales);
        }

        public int groupsPerRow() {
            return Math.ceilDiv(columns, groupSize);
        }

        public long bytesPerRow() {
            return Math.ceilDiv((long) columns * code.bits(), 8);
        }
    }
}
