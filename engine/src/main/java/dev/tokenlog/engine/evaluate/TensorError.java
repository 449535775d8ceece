package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.quantize.ErrorMeasures;
import dev.tokenlog.engine.tensor.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/// How far one tensor of an artifact is from its source: measured anew from the bytes of both, not
/// taken from the manifest.
///
/// @param quantization as the manifest names it, for instance `int4-g32`
/// @param relativeL2 `‖w − ŵ‖ / ‖w‖` in double precision
/// @param max `max |w − ŵ|`
public record TensorError(
        String name, String quantization, double relativeL2, double max, double cosine) {

    /// Every quantized matrix of an artifact, in the manifest's order.
    ///
    /// @param baseline has the same tensors in float
    /// @param stop asked between matrices; true ends it with a `CancellationException`
    public static List<TensorError> of(Artifact artifact, Model baseline, BooleanSupplier stop) {
        List<TensorError> errors = new ArrayList<>();
        for (Manifest.Weight weight : artifact.manifest().weights()) {
            if (weight.errors() == null) {
                continue;
            }
            if (stop.getAsBoolean()) {
                throw new CancellationException("measuring " + weight.name() + " was stopped");
            }
            ErrorMeasures measures =
                    measure(artifact.matrix(weight.name()), baseline.matrix(weight.name()));
            errors.add(
                    new TensorError(
                            weight.name(),
                            weight.quantization(),
                            measures.relativeL2(),
                            measures.max(),
                            measures.cosine()));
        }
        return errors;
    }

    private static ErrorMeasures measure(Matrix quantized, Matrix source) {
        if (quantized.rows() != source.rows() || quantized.columns() != source.columns()) {
            throw new IllegalArgumentException(
                    "%s: [%d, %d] in the artifact, [%d, %d] in the baseline"
                            .formatted(
                                    quantized.name(),
                                    quantized.rows(),
                                    quantized.columns(),
                                    source.rows(),
                                    source.columns()));
        }
        ErrorMeasures measures = new ErrorMeasures();
        float[] found = new float[quantized.columns()];
        float[] wanted = new float[quantized.columns()];
        for (int row = 0; row < quantized.rows(); row++) {
            Dequantizer.row(quantized, row, found);
            Dequantizer.row(source, row, wanted);
            for (int column = 0; column < found.length; column++) {
                measures.add(wanted[column], found[column]);
            }
        }
        return measures;
    }
}
