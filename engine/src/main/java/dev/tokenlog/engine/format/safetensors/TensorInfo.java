package dev.tokenlog.engine.format.safetensors;

import dev.tokenlog.engine.tensor.DataType;
import java.util.List;

/// One entry of a safetensors header.
///
/// @param begin of the tensor's bytes, from the start of the data (the first byte after the header)
/// @param end the byte after its last
public record TensorInfo(String name, DataType type, List<Long> shape, long begin, long end) {

    public TensorInfo {
        shape = List.copyOf(shape);
    }

    public long bytes() {
        return end - begin;
    }

    /// Elements of a shape.
    ///
    /// @throws ArithmeticException where they do not fit 64 bits
    static long elements(List<Long> shape) {
        long elements = 1;
        for (long dimension : shape) {
            elements = Math.multiplyExact(elements, dimension);
        }
        return elements;
    }
}
