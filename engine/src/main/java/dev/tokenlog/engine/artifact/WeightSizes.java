package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;

/// How large a model's weights become, said before anything is converted: by the rules of the usual
/// recipe, scales included.
public final class WeightSizes {

    private static final int GROUP = 32;
    private static final int SCALE_BYTES = 2;

    private WeightSizes() {}

    /// Weights and biases of everything that the plan reads, each tensor once.
    public static long parameters(ModelPlan plan) {
        return PlannedTensor.of(plan).stream().mapToLong(PlannedTensor::elements).sum();
    }

    /// Bytes of codes, scales and float tensors in the usual recipe of a width: groups of 32 with
    /// one F16 scale, embedding and head at 8 bits where the layers have fewer, norms and biases as
    /// F32.
    ///
    /// @param bits of the matrices in the layers: 1, 2, 4 or 8
    public static long bytes(ModelPlan plan, int bits) {
        if (bits != 1 && bits != 2 && bits != 4 && bits != 8) {
            throw new IllegalArgumentException(bits + " bits: expected 1, 2, 4 or 8");
        }
        return PlannedTensor.of(plan).stream().mapToLong(tensor -> bytes(tensor, bits)).sum();
    }

    private static long bytes(PlannedTensor tensor, int bits) {
        if (!tensor.kind().isQuantizable()) {
            return tensor.elements() * Float.BYTES;
        }
        boolean around = tensor.kind() == Kind.EMBEDDING || tensor.kind() == Kind.HEAD;
        long codes = Math.ceilDiv((long) tensor.columns() * (around ? 8 : bits), 8L);
        long scales = (long) Math.ceilDiv(tensor.columns(), GROUP) * SCALE_BYTES;
        return tensor.rows() * (codes + scales);
    }
}
