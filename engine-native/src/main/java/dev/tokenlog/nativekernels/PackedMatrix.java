package dev.tokenlog.nativekernels;

import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;

/// Weights in tiles of 16 rows (`tokenlog.h`: `tokenlog_packed_bytes`).
///
/// @param code what the library calls the code of the weights
record PackedMatrix(Matrix.Quantized source, NativeLibrary.Code code, MemorySegment tiles)
        implements PreparedMatrix {

    @Override
    public boolean readsSource() {
        return false;
    }
}
