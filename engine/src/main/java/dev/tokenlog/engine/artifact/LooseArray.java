package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.DataType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.function.Supplier;

/// An array of numbers that stands by itself, in a file or an archive.
///
/// @param what names file and array in errors
/// @param fortranOrder whether it is column-major
/// @param numbers from the first to the last; asked for when they are needed
record LooseArray(
        String what,
        DataType type,
        boolean fortranOrder,
        List<Long> shape,
        Supplier<MemorySegment> numbers) {

    private static final ValueLayout.OfShort I16 =
            JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 =
            JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 =
            JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    long elements() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /// Rows and columns of a matrix; a list of numbers is one column.
    int rows() {
        return shape.isEmpty() ? 1 : size(shape.getFirst());
    }

    int columns() {
        if (shape.size() > 2) {
            throw new EngineException(
                    Reason.UNSUPPORTED, what + ": shape " + shape + ", expected a matrix");
        }
        return shape.size() == 2 ? size(shape.getLast()) : 1;
    }

    private int size(long dimension) {
        if (dimension < 1 || dimension > Integer.MAX_VALUE) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, what + ": shape " + shape + " of a weight");
        }
        return (int) dimension;
    }

    /// Where a number of the matrix stands.
    long index(int row, int column) {
        return fortranOrder ? (long) column * rows() + row : (long) row * columns() + column;
    }

    boolean isInteger() {
        return switch (type) {
            case I64, I32, I16, I8, U8 -> true;
            case F64, F32, F16, BF16, F8_E4M3, BOOL -> false;
        };
    }

    /// Whether [#number] gives its numbers exactly.
    boolean isFloat() {
        return type == DataType.F32 || type == DataType.F16;
    }

    /// @param index in the order of the file
    static long integer(DataType type, MemorySegment numbers, long index) {
        return switch (type) {
            case I64 -> numbers.get(I64, index * 8);
            case I32 -> numbers.get(I32, index * 4);
            case I16 -> numbers.get(I16, index * 2);
            case I8 -> numbers.get(ValueLayout.JAVA_BYTE, index);
            case U8 -> Byte.toUnsignedInt(numbers.get(ValueLayout.JAVA_BYTE, index));
            case F64, F32, F16, BF16, F8_E4M3, BOOL ->
                    throw new IllegalArgumentException(type + " is no integer");
        };
    }

    static float number(DataType type, MemorySegment numbers, long index) {
        return switch (type) {
            case F32 -> Float.intBitsToFloat(numbers.get(I32, index * 4));
            case F16 -> Float.float16ToFloat(numbers.get(I16, index * 2));
            case F64, BF16, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(type + " is no float of 32 or 16 bits");
        };
    }
}
