package dev.tokenlog.engine.quantize;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// The vector twin of [LeastSquares#errors]: lanes are scales, so the bits are the same. Touched
/// only where the module of the Vector API is there.
final class LeastSquaresVectors {

    private static final VectorSpecies<Float> FLOATS =
            VectorSpecies.of(
                    float.class,
                    VectorShape.forBitSize(
                            Math.clamp(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 128, 512)));

    private LeastSquaresVectors() {}

    static void errors(
            float[] x,
            int from,
            int to,
            float smallest,
            float largest,
            float[] scales,
            float[] inverses,
            float[] errors) {
        FloatVector low = FloatVector.broadcast(FLOATS, smallest);
        FloatVector high = FloatVector.broadcast(FLOATS, largest);
        FloatVector rounding = FloatVector.broadcast(FLOATS, LeastSquares.ROUNDING);
        for (int i = 0; i < scales.length; i += FLOATS.length()) {
            FloatVector scale = FloatVector.fromArray(FLOATS, scales, i);
            FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, i);
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int column = from; column < to; column++) {
                FloatVector value = FloatVector.broadcast(FLOATS, x[column]);
                FloatVector q = value.mul(inverse);
                q = q.blend(high, q.compare(VectorOperators.GT, high));
                q = q.blend(low, q.compare(VectorOperators.LT, low));
                q = q.add(rounding).sub(rounding);
                FloatVector error = value.sub(q.mul(scale));
                sum = sum.add(error.mul(error));
            }
            sum.intoArray(errors, i);
        }
    }
}
