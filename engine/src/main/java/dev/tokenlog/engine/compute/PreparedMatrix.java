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

    /// Weights that are multiplied where they lie.
    record AsStored(Matrix.Quantized source) implements PreparedMatrix {}
}
