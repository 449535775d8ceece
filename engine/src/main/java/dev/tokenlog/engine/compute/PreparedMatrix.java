package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.tensor.Matrix;

/// Quantized weights in the layout that some kernels multiply, made once when a model is loaded.
/// Only the kernels that [prepared][Kernels#prepare] it multiply it.
public interface PreparedMatrix {

    /// The weights as the model stores them.
    Matrix.Quantized source();

    /// Whether products read the weights where the model stores them. If not, what is mapped of a
    /// file [leaves memory][Matrix#unload] as soon as the matrix has been prepared.
    default boolean readsSource() {
        return true;
    }

    /// Bytes of a piece that [#prefetch] asks for: a fraction of a microsecond of reading.
    int PREFETCHED_BYTES = 4096;

    /// Asks for weights that are multiplied soon, without waiting for them: a piece of memory from
    /// row `row` on. No result depends on it.
    ///
    /// @param piece 0 for the first [#PREFETCHED_BYTES], and so on
    /// @return false: there is no such piece, or it makes no difference
    default boolean prefetch(int row, int piece) {
        return false;
    }

    /// Weights that are multiplied where they lie.
    record AsStored(Matrix.Quantized source) implements PreparedMatrix {}
}
