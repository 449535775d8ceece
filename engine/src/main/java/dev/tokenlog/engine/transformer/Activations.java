package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.ActivationCode;
import dev.tokenlog.engine.compute.QuantizedActivations;

/// One row of floats per token, and beside it, where quantized matrices need them, their codes.
final class Activations {

    private final float[] values;
    private final QuantizedActivations eightBit;
    private final QuantizedActivations twelveBit;
    private int width;

    Activations(int tokens, int maxWidth) {
        this.values = new float[Math.multiplyExact(tokens, maxWidth)];
        this.eightBit = new QuantizedActivations(ActivationCode.BITS_8, tokens, maxWidth);
        this.twelveBit = new QuantizedActivations(ActivationCode.BITS_12, tokens, maxWidth);
    }

    /// Sets the width of the rows; forgets what was there.
    void reshape(int tokens, int newWidth) {
        width = newWidth;
        eightBit.reshape(tokens, newWidth);
        twelveBit.reshape(tokens, newWidth);
    }

    float[] values() {
        return values;
    }

    int width() {
        return width;
    }

    QuantizedActivations codes(ActivationCode code) {
        return switch (code) {
            case BITS_8 -> eightBit;
            case BITS_12 -> twelveBit;
        };
    }

    /// Where a token's row begins.
    int row(int token) {
        return token * width;
    }
}
