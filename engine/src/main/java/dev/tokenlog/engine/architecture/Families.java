package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.Family.Biases;
import dev.tokenlog.engine.architecture.Family.Role;
import dev.tokenlog.engine.architecture.Family.Rotaries;
import dev.tokenlog.engine.architecture.Family.TensorNames;
import dev.tokenlog.engine.architecture.Family.Trait;
import dev.tokenlog.engine.architecture.Family.Windows;
import dev.tokenlog.engine.format.StrictJson;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// The families that the engine knows: one row each. Every row has a golden model with logits of an
/// independent implementation under `src/test/resources/golden`.
final class Families {

    private static final TensorNames LLAMA_NAMES =
            new TensorNames(
                    Map.ofEntries(
                            Map.entry(Role.EMBEDDING, "model.embed_tokens.weight"),
                            Map.entry(Role.INPUT_NORM, layer("input_layernorm")),
                            Map.entry(Role.QUERY, layer("self_attn.q_proj")),
                            Map.entry(Role.KEY, layer("self_attn.k_proj")),
                            Map.entry(Role.VALUE, layer("self_attn.v_proj")),
                            Map.entry(Role.OUTPUT, layer("self_attn.o_proj")),
                            Map.entry(Role.FEED_FORWARD_NORM, layer("post_attention_layernorm")),
                            Map.entry(Role.GATE, layer("mlp.gate_proj")),
                            Map.entry(Role.UP, layer("mlp.up_proj")),
                            Map.entry(Role.DOWN, layer("mlp.down_proj")),
                            Map.entry(Role.FINAL_NORM, "model.norm.weight"),
                            Map.entry(Role.HEAD, "lm_head.weight")));

    private static final Map<Role, String> QUERY_KEY_NORMS =
            Map.of(
                    Role.QUERY_NORM, layer("self_attn.q_norm"),
                    Role.KEY_NORM, layer("self_attn.k_norm"));

    /// Norms of what attention and feed-forward give, besides those of what they take.
    private static final Map<Role, String> NORMS_ON_BOTH_SIDES =
            Map.of(
                    Role.ATTENTION_OUTPUT_NORM, layer("post_attention_layernorm"),
                    Role.FEED_FORWARD_NORM, layer("pre_feedforward_layernorm"),
                    Role.FEED_FORWARD_OUTPUT_NORM, layer("post_feedforward_layernorm"));

    private static final Map<Role, String> NORMS_AFTER_ONLY =
            Map.of(
                    Role.INPUT_NORM,
                    "",
                    Role.ATTENTION_OUTPUT_NORM,
                    layer("post_attention_layernorm"),
                    Role.FEED_FORWARD_NORM,
                    "",
                    Role.FEED_FORWARD_OUTPUT_NORM,
                    layer("post_feedforward_layernorm"));

    private static final Map<Role, String> FUSED =
            Map.of(
                    Role.QUERY, layer("self_attn.qkv_proj"),
                    Role.KEY, layer("self_attn.qkv_proj"),
                    Role.VALUE, layer("self_attn.qkv_proj"),
                    Role.GATE, layer("mlp.gate_up_proj"),
                    Role.UP, layer("mlp.gate_up_proj"));

    private static final Map<Role, String> MIXTRAL_EXPERTS =
            Map.of(
                    Role.ROUTER, layer("block_sparse_moe.gate"),
                    Role.EXPERT_GATE, layer("block_sparse_moe.experts.{expert}.w1"),
                    Role.EXPERT_UP, layer("block_sparse_moe.experts.{expert}.w3"),
                    Role.EXPERT_DOWN, layer("block_sparse_moe.experts.{expert}.w2"));

    private static final Map<Role, String> QWEN_EXPERTS =
            Map.of(
                    Role.ROUTER, layer("mlp.gate"),
                    Role.EXPERT_GATE, layer("mlp.experts.{expert}.gate_proj"),
                    Role.EXPERT_UP, layer("mlp.experts.{expert}.up_proj"),
                    Role.EXPERT_DOWN, layer("mlp.experts.{expert}.down_proj"));

    private static final Set<String> ROPE_TYPES =
            Set.of("default", "linear", "dynamic", "llama3", "yarn", "longrope");

    /// Llama 2, 3, 3.1, 3.2; TinyLlama; SmolLM 1 and 2; and whatever else calls itself `llama`.
    private static final Family LLAMA =
            new Family(
                    "llama",
                    Set.of("LlamaForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
                             "rope_theta": 10000.0, "tie_word_embeddings": false,
                             "hidden_act": "silu"}
                            """),
                    Biases.BY_FIELD,
                    Windows.NONE,
                    Rotaries.ONE,
                    Set.of(Trait.FEED_FORWARD_BIAS_FIELD),
                    ROPE_TYPES,
                    Set.of());

    /// Mistral 7B, Nemo.
    private static final Family MISTRAL =
            new Family(
                    "mistral",
                    Set.of("MistralForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"num_key_value_heads": 8, "max_position_embeddings": 131072,
                             "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "sliding_window": 4096,
                             "tie_word_embeddings": false, "hidden_act": "silu"}
                            """),
                    Biases.NONE,
                    Windows.EVERY_LAYER,
                    Rotaries.ONE,
                    Set.of(),
                    ROPE_TYPES,
                    Set.of());

    private static final Family GEMMA =
            new Family(
                    "gemma",
                    Set.of("GemmaForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"num_key_value_heads": 16, "head_dim": 256,
                             "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
                             "rope_theta": 10000.0, "tie_word_embeddings": true,
                             "hidden_act": "gelu_pytorch_tanh"}
                            """),
                    Biases.BY_FIELD,
                    Windows.NONE,
                    Rotaries.ONE,
                    Set.of(
                            Trait.UNIT_OFFSET_NORMS,
                            Trait.ROOT_SCALED_EMBEDDING,
                            Trait.GELU_IS_TANH),
                    ROPE_TYPES,
                    Set.of());

    private static final Family GEMMA_2 =
            new Family(
                    "gemma2",
                    Set.of("Gemma2ForCausalLM"),
                    LLAMA_NAMES.with(NORMS_ON_BOTH_SIDES),
                    json(
                            """
                            {"num_key_value_heads": 4, "head_dim": 256,
                             "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
                             "rope_theta": 10000.0, "tie_word_embeddings": true,
                             "hidden_activation": "gelu_pytorch_tanh",
                             "query_pre_attn_scalar": 256, "sliding_window": 4096,
                             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
                            """),
                    Biases.BY_FIELD,
                    Windows.EVERY_OTHER_LAYER,
                    Rotaries.ONE,
                    Set.of(
                            Trait.UNIT_OFFSET_NORMS,
                            Trait.ROOT_SCALED_EMBEDDING,
                            Trait.HIDDEN_ACTIVATION,
                            Trait.QUERY_SCALAR,
                            Trait.SCORE_CAP,
                            Trait.LOGIT_CAP),
                    ROPE_TYPES,
                    Set.of());

    /// The text half of Gemma 3.
    private static final Family GEMMA_3 =
            new Family(
                    "gemma3_text",
                    Set.of("Gemma3ForCausalLM", "Gemma3TextModel"),
                    LLAMA_NAMES.with(NORMS_ON_BOTH_SIDES).with(QUERY_KEY_NORMS),
                    json(
                            """
                            {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216,
                             "num_hidden_layers": 26, "num_attention_heads": 8,
                             "num_key_value_heads": 4, "head_dim": 256,
                             "max_position_embeddings": 131072, "rms_norm_eps": 1e-6,
                             "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
                             "tie_word_embeddings": true,
                             "hidden_activation": "gelu_pytorch_tanh",
                             "query_pre_attn_scalar": 256, "sliding_window": 4096,
                             "sliding_window_pattern": 6}
                            """),
                    Biases.BY_FIELD,
                    Windows.ALL_BUT_EACH_SIXTH,
                    Rotaries.BY_LAYER_TYPE,
                    Set.of(
                            Trait.UNIT_OFFSET_NORMS,
                            Trait.ROOT_SCALED_EMBEDDING,
                            Trait.HIDDEN_ACTIVATION,
                            Trait.QUERY_SCALAR,
                            Trait.LOGIT_CAP),
                    ROPE_TYPES,
                    Set.of());

    /// Phi-3, Phi-3.5 and Phi-4 mini.
    private static final Family PHI_3 =
            new Family(
                    "phi3",
                    Set.of("Phi3ForCausalLM"),
                    LLAMA_NAMES.with(FUSED),
                    json(
                            """
                            {"max_position_embeddings": 4096,
                             "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
                             "rope_theta": 10000.0, "tie_word_embeddings": false,
                             "hidden_act": "silu"}
                            """),
                    Biases.NONE,
                    Windows.EVERY_LAYER,
                    Rotaries.ONE,
                    Set.of(Trait.PARTIAL_ROTARY),
                    Set.of("default", "longrope"),
                    Set.of());

    /// Qwen 2 and 2.5.
    private static final Family QWEN_2 =
            new Family(
                    "qwen2",
                    Set.of("Qwen2ForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"num_key_value_heads": 32, "max_position_embeddings": 32768,
                             "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
                             "tie_word_embeddings": false, "hidden_act": "silu",
                             "use_sliding_window": false, "sliding_window": 4096,
                             "max_window_layers": 28}
                            """),
                    Biases.QUERY_KEY_VALUE,
                    Windows.LATE_LAYERS,
                    Rotaries.ONE,
                    Set.of(),
                    ROPE_TYPES,
                    Set.of());

    private static final Family QWEN_3 =
            new Family(
                    "qwen3",
                    Set.of("Qwen3ForCausalLM"),
                    LLAMA_NAMES.with(QUERY_KEY_NORMS),
                    json(
                            """
                            {"num_key_value_heads": 32, "head_dim": 128,
                             "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
                             "rope_theta": 10000.0, "tie_word_embeddings": false,
                             "hidden_act": "silu", "use_sliding_window": false,
                             "sliding_window": 4096, "max_window_layers": 28}
                            """),
                    Biases.BY_FIELD,
                    Windows.LATE_LAYERS,
                    Rotaries.ONE,
                    Set.of(),
                    ROPE_TYPES,
                    Set.of("use_qk_norm"));

    private static final Family SMOLLM_3 =
            new Family(
                    "smollm3",
                    Set.of("SmolLM3ForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"num_key_value_heads": 4, "max_position_embeddings": 32768,
                             "rms_norm_eps": 1e-6, "rope_theta": 2000000.0,
                             "tie_word_embeddings": true, "hidden_act": "silu",
                             "use_sliding_window": false, "no_rope_layer_interval": 4}
                            """),
                    Biases.BY_FIELD,
                    Windows.LAYERS_WITHOUT_ROTARY,
                    Rotaries.SOME_LAYERS,
                    Set.of(Trait.FEED_FORWARD_BIAS_FIELD),
                    ROPE_TYPES,
                    Set.of("max_window_layers"));

    private static final Family GRANITE =
            new Family(
                    "granite",
                    Set.of("GraniteForCausalLM"),
                    LLAMA_NAMES,
                    json(
                            """
                            {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
                             "rope_theta": 10000.0, "tie_word_embeddings": false,
                             "hidden_act": "silu", "embedding_multiplier": 1.0,
                             "logits_scaling": 1.0, "residual_multiplier": 1.0,
                             "attention_multiplier": 1.0}
                            """),
                    Biases.BY_FIELD,
                    Windows.NONE,
                    Rotaries.ONE,
                    Set.of(Trait.FEED_FORWARD_BIAS_FIELD, Trait.MULTIPLIERS),
                    ROPE_TYPES,
                    Set.of());

    private static final Family OLMO_2 =
            new Family(
                    "olmo2",
                    Set.of("Olmo2ForCausalLM"),
                    LLAMA_NAMES.with(NORMS_AFTER_ONLY).with(QUERY_KEY_NORMS),
                    json(
                            """
                            {"max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
                             "rope_theta": 10000.0, "tie_word_embeddings": false,
                             "hidden_act": "silu"}
                            """),
                    Biases.BY_FIELD,
                    Windows.NONE,
                    Rotaries.ONE,
                    Set.of(Trait.WHOLE_PROJECTION_NORMS),
                    ROPE_TYPES,
                    Set.of());

    /// Mixtral 8x7B and 8x22B.
    private static final Family MIXTRAL =
            new Family(
                    "mixtral",
                    Set.of("MixtralForCausalLM"),
                    LLAMA_NAMES.with(MIXTRAL_EXPERTS),
                    json(
                            """
                            {"num_key_value_heads": 8, "max_position_embeddings": 131072,
                             "rms_norm_eps": 1e-5, "rope_theta": 1000000.0,
                             "tie_word_embeddings": false, "hidden_act": "silu",
                             "num_local_experts": 8, "num_experts_per_tok": 2}
                            """),
                    Biases.NONE,
                    Windows.EVERY_LAYER,
                    Rotaries.ONE,
                    Set.of(Trait.MIXTURE),
                    ROPE_TYPES,
                    Set.of("output_router_logits"));

    /// Qwen3-30B-A3B, Qwen3-235B-A22B.
    private static final Family QWEN_3_MOE =
            new Family(
                    "qwen3_moe",
                    Set.of("Qwen3MoeForCausalLM"),
                    LLAMA_NAMES.with(QUERY_KEY_NORMS).with(QWEN_EXPERTS),
                    json(
                            """
                            {"num_key_value_heads": 4, "max_position_embeddings": 32768,
                             "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
                             "tie_word_embeddings": false, "hidden_act": "silu",
                             "use_sliding_window": false, "sliding_window": 4096,
                             "num_local_experts": 128, "num_experts_per_tok": 8,
                             "moe_intermediate_size": 768, "norm_topk_prob": false,
                             "decoder_sparse_step": 1}
                            """),
                    Biases.BY_FIELD,
                    Windows.EVERY_LAYER_IF_USED,
                    Rotaries.ONE,
                    Set.of(Trait.MIXTURE, Trait.SOME_MIXTURES),
                    ROPE_TYPES,
                    Set.of("max_window_layers", "output_router_logits", "use_qk_norm"));

    private static final List<Family> ALL =
            List.of(
                    LLAMA,
                    MISTRAL,
                    GEMMA,
                    GEMMA_2,
                    GEMMA_3,
                    PHI_3,
                    QWEN_2,
                    QWEN_3,
                    SMOLLM_3,
                    GRANITE,
                    OLMO_2,
                    MIXTRAL,
                    QWEN_3_MOE);

    /// A model that does more than text, and has a part for text in `text_config`: only that part
    /// is run.
    record Whole(String modelType, Set<String> architectures, Family text) {}

    /// Gemma 3 from 4B on, which also sees images.
    private static final Whole GEMMA_3_WHOLE =
            new Whole("gemma3", Set.of("Gemma3ForConditionalGeneration"), GEMMA_3);

    private Families() {}

    static Optional<Whole> whole(String modelType) {
        return Optional.of(GEMMA_3_WHOLE).filter(whole -> whole.modelType().equals(modelType));
    }

    static Optional<Family> of(String modelType) {
        return ALL.stream().filter(family -> family.modelType().equals(modelType)).findFirst();
    }

    static List<String> modelTypes() {
        return Stream.concat(
                        ALL.stream().map(Family::modelType), Stream.of(GEMMA_3_WHOLE.modelType()))
                .sorted()
                .toList();
    }

    private static String layer(String module) {
        return "model.layers.{layer}." + module + ".weight";
    }

    private static ObjectNode json(String text) {
        try {
            return (ObjectNode) StrictJson.MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
