package dev.tokenlog.engine.architecture;

import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import java.util.Map;
import java.util.Set;

/// What distinguishes one family of models from another, as a row of data: how its configuration is
/// to be understood where it is silent, and what its tensors are called.
///
/// @param modelType the `model_type` of its configurations
/// @param architectures values of `architectures` that are language models of this family
/// @param names of its tensors
/// @param activationField of the configuration
/// @param activations by the value of that field
/// @param usualActivation where the field is missing
/// @param usualNormEpsilon where `rms_norm_eps` is missing
/// @param usualRopeTheta where `rope_theta` is missing
/// @param usualContextLength where `max_position_embeddings` is missing
/// @param usuallyTied where `tie_word_embeddings` is missing
/// @param ropeTypes rotary scalings that its configurations may ask for
record Family(
        String modelType,
        Set<String> architectures,
        TensorNames names,
        String activationField,
        Map<String, Activation> activations,
        String usualActivation,
        double usualNormEpsilon,
        double usualRopeTheta,
        int usualContextLength,
        boolean usuallyTied,
        Set<String> ropeTypes) {

    /// Names of tensors; `{layer}` stands for the layer's number.
    record TensorNames(
            String embedding,
            String inputNorm,
            String query,
            String key,
            String value,
            String output,
            String postAttentionNorm,
            String gate,
            String up,
            String down,
            String finalNorm,
            String head) {

        static String of(String pattern, int layer) {
            return pattern.replace("{layer}", Integer.toString(layer));
        }
    }
}
