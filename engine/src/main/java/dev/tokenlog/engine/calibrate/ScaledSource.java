package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Calibrator;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.quantize.RowSource;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.function.Function;

/// A model whose columns have been scaled, and whose codes are found without text.
///
/// @param source closed with this one
/// @param codes of matrices that do not get the usual one
record ScaledSource(SourceModel source, Map<String, NumberCode> codes) implements Calibrator {

    @Override
    public boolean isFor(PlannedTensor tensor) {
        return false;
    }

    @Override
    public NumberCode code(PlannedTensor tensor, NumberCode usual) {
        return codes.getOrDefault(tensor.name(), usual);
    }

    @Override
    public RowSource calibrate(PlannedTensor tensor, NumberCode code, int groupSize) {
        throw new IllegalStateException(tensor.name() + ": codes are found without text");
    }

    @Override
    public void done(PlannedTensor tensor, Function<Arena, Matrix> stored) {
        // Nothing that follows depends on it.
    }

    @Override
    public void close() {
        source.close();
    }
}
