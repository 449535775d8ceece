package dev.tokenlog.engine.format.gguf;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// A tensor as it lies in a GGUF file.
///
/// @param shape slowest first, as everywhere here: a matrix is `[rows, columns]`. The file has it
///   the other way round.
/// @param offset of the first byte in the file
/// @param data all blocks, row after row
public record GgufTensor(
        String name, GgufType type, List<Long> shape, long offset, MemorySegment data) {

    public GgufTensor {
        shape = List.copyOf(shape);
    }

    public long elements() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /// Elements of a row.
    public long columns() {
        return shape.getLast();
    }

    /// Bytes of a row: a row has whole blocks.
    public long rowBytes() {
        return columns() / type.blockElements() * type.blockBytes();
    }
}
