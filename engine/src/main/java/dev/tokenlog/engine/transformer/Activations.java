package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.QuantizedActivations;

/// One row of floats per token, and beside it, where a quantized matrix needs them, their codes.
final class Activations {

    private final float[] values;
    private final QuantizedActivations codes;
    private int width;

    Activations(int tokens, int maxWidth) {
        this.values = new float[Math.multiplyExact(tokens, maxWidth)];
        this.codes = new QuantizedActivations(tokens, maxWidth);
    }

    /// Sets the width of the rows; forgets what was there.
    void reshape(int tokens, int newWidth) {
        width = newWidth;
        codes.reshape(tokens, newWidth);
    }

    float[] values() {
        return values;
    }

    int width() {
        return width;
    }

    QuantizedActivations codes() {
        return codes;
    }

    /// Where a token's row begins.
    int row(int token) {
        return token * width;
    }

    /// Quantizes one token's row.
    void quantize(Kernels kernels, int token) {
        kernels.quantize(values, row(token), codes, token);
    }
}
