package dev.tokenlog.engine.tensor;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// A named, dense, row-major, little-endian block of numbers somewhere outside the heap (or over an
/// array).
///
/// @param data exactly `elements() * type.bytes()` bytes
public record Tensor(String name, DataType type, List<Long> shape, MemorySegment data) {

    public Tensor {
        shape = List.copyOf(shape);
        long bytes = Math.multiplyExact(elements(shape), type.bytes());
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    name
                            + ": shape "
                            + shape
                            + " of "
                            + type
                            + " takes "
                            + bytes
                            + " bytes, found "
                            + data.byteSize());
        }
    }

    public long elements() {
        return elements(shape);
    }

    private static long elements(List<Long> shape) {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }
}
