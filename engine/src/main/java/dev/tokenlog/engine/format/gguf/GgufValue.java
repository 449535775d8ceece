package dev.tokenlog.engine.format.gguf;

import java.lang.foreign.MemorySegment;

/// A value of the metadata. Arrays stay in the file until somebody asks for them, so that a file
/// cannot make its reader larger than itself.
public sealed interface GgufValue {

    /// A whole number of any width; of an unsigned one of 64 bits only the lower half of the range.
    record Whole(long value) implements GgufValue {}

    /// A float, as the number of the file.
    record Real(double value, boolean single) implements GgufValue {}

    record Flag(boolean value) implements GgufValue {}

    record Text(String value) implements GgufValue {}

    /// @param bytes the elements as they lie in the file
    /// @param offset of the first element in the file
    record Array(ElementType type, long count, MemorySegment bytes, long offset)
            implements GgufValue {}

    /// Types of values and of elements, in the order of their numbers in the file.
    enum ElementType {
        UINT8(1),
        INT8(1),
        UINT16(2),
        INT16(2),
        UINT32(4),
        INT32(4),
        FLOAT32(4),
        BOOL(1),
        STRING(8),
        ARRAY(12),
        UINT64(8),
        INT64(8),
        FLOAT64(8);

        private final int leastBytes;

        ElementType(int leastBytes) {
            this.leastBytes = leastBytes;
        }

        /// Bytes of one value; the least of those whose length varies.
        int leastBytes() {
            return leastBytes;
        }
    }
}
