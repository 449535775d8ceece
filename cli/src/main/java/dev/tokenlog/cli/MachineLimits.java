package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.nativekernels.Yardstick;
import java.util.OptionalDouble;

/// The machine's limits for a model, as the yardstick measures them now.
record MachineLimits(Yardstick yardstick, NumberCode code) implements AutoCloseable {

    /// Products of the code that the first layer's queries have.
    static MachineLimits of(Model model, int threads) {
        String tensor = model.plan().layers().getFirst().attention().queryTensor();
        return switch (model.matrix(tensor)) {
            case Matrix.Quantized weights ->
                    new MachineLimits(Yardstick.open(threads), weights.code());
            case Matrix.Float weights ->
                    throw CommandFailure.usage(
                            "--yardstick measures quantized products: this model is in float");
        };
    }

    boolean haveProduct() {
        return yardstick.multiplies(code);
    }

    OptionalDouble productRate() {
        return yardstick.productRate(code);
    }

    double readRate() {
        return yardstick.readRate();
    }

    @Override
    public void close() {
        yardstick.close();
    }
}
