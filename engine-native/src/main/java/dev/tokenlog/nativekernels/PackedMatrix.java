package dev.tokenlog.nativekernels;

import dev.tokenlog.engine.compute.PreparedMatrix;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;

/// Weights in tiles of 16 rows (`tokenlog.h`: `tokenlog_packed_bytes`).
record PackedMatrix(Matrix.Quantized source, MemorySegment tiles) implements PreparedMatrix {}
