package dev.tokenlog.engine.architecture;

import dev.tokenlog.engine.architecture.Family.TensorNames;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The families that the engine knows: one row each. Defaults are those of the families'
/// configuration classes in Hugging Face transformers.
final class Families {

    private static final TensorNames LLAMA_NAMES =
            new TensorNames(
                    "model.embed_tokens.weight",
                    "model.layers.{layer}.input_layernorm.weight",
                    "model.layers.{layer}.self_attn.q_proj.weight",
                    "model.layers.{layer}.self_attn.k_proj.weight",
                    "model.layers.{layer}.self_attn.v_proj.weight",
                    "model.layers.{layer}.self_attn.o_proj.weight",
                    "model.layers.{layer}.post_attention_layernorm.weight",
                    "model.layers.{layer}.mlp.gate_proj.weight",
                    "model.layers.{layer}.mlp.up_proj.weight",
                    "model.layers.{layer}.mlp.down_proj.weight",
                    "model.norm.weight",
                    "lm_head.weight");

    /// Llama 2, 3, 3.1, 3.2; TinyLlama; SmolLM 1 and 2; and whatever else calls itself `llama`.
    private static final Family LLAMA =
            new Family(
                    "llama",
                    Set.of("LlamaForCausalLM"),
                    LLAMA_NAMES,
                    "hidden_act",
                    Map.of("silu", Activation.SILU, "swish", Activation.SILU),
                    "silu",
                    1e-6,
                    10000.0,
                    2048,
                    false,
                    Set.of("default", "linear", "llama3"));

    private static final List<Family> ALL = List.of(LLAMA);

    private Families() {}

    static Optional<Family> of(String modelType) {
        return ALL.stream().filter(family -> family.modelType().equals(modelType)).findFirst();
    }

    static List<String> modelTypes() {
        return ALL.stream().map(Family::modelType).toList();
    }
}
