package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// A tensor of a source under the hub's name, in whatever form its file holds it. Its values are
/// exact: decoding rounds as the format's own definition does, and nowhere else.
public interface SourceTensor extends RowSource {

    /// The type as the file names it: `BF16`, `Q4_K`.
    String type();

    List<Long> shape();

    /// The bytes as they lie in the file.
    MemorySegment stored();

    default long bytes() {
        return stored().byteSize();
    }

    default long elements() {
        return shape().stream().reduce(1L, Math::multiplyExact);
    }

    /// The whole tensor as floats: where the file has floats, without a copy.
    ///
    /// @param arena how long a copy lives
    Matrix.Float matrix(Arena arena);

    /// All values, for norms and biases.
    float[] vector();
}
