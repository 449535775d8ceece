package dev.tokenlog.engine.architecture;

import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import java.util.List;

/// What becomes of a plan when a PyTorch module is cast as a whole, for comparison with references
/// that were made so: `.to(torch.bfloat16)` rounds the buffers, too, which are the rotary inverse
/// frequencies and the scale of the embedding. Transformers' own `from_pretrained` keeps them in
/// float32, and so does this engine.
public final class RotaryCast {

    private RotaryCast() {}

    /// The plan with inverse frequencies and embedding scale rounded to BF16.
    public static ModelPlan toBfloat16(ModelPlan plan) {
        return new ModelPlan(
                plan.family(),
                plan.vocabularySize(),
                plan.hiddenSize(),
                plan.contextLength(),
                (float) rounded(plan.embeddingScale()),
                plan.layers(),
                rounded(plan.rotary()),
                plan.finalNormEpsilon(),
                plan.tiedEmbeddings(),
                plan.embeddingTensor(),
                plan.finalNormTensor(),
                plan.headTensor(),
                plan.otherRotaries().stream().map(RotaryCast::rounded).toList(),
                plan.unitOffsetNorms(),
                plan.residualMultiplier(),
                plan.logitMultiplier(),
                plan.logitSoftCap());
    }

    private static Rotary rounded(Rotary rotary) {
        return new Rotary(
                rotary.dimensions(),
                rounded(rotary.inverseFrequencies()),
                rotary.attentionFactor(),
                rotary.originalContext(),
                rounded(rotary.longInverseFrequencies()),
                rotary.dynamicBase(),
                rotary.dynamicFactor());
    }

    private static List<Double> rounded(List<Double> numbers) {
        return numbers.stream().map(RotaryCast::rounded).toList();
    }

    /// To float, then to BF16, ties to even.
    private static double rounded(double number) {
        int bits = Float.floatToIntBits((float) number);
        return Float.intBitsToFloat(bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000);
    }
}
