package dev.tokenlog.engine.artifact;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// What distinguishes one value of `general.architecture` from another, as a row of data: which
/// family of the hub it is, and how llama.cpp's keys and tensor names translate into the hub's.
///
/// @param name value of `general.architecture`
/// @param modelType `model_type` of the configuration that it becomes
/// @param architecture of the configuration
/// @param interleaved whether llama.cpp rotates neighbouring channels of a head: its converter has
///   then sorted the rows of query and key, which is undone
/// @param unitOffsetNorms whether the hub's norms lack the 1 that the file's have
/// @param fields keys below the architecture's name, and the fields of the configuration that they
///   become as they are
/// @param constants fields of the configuration that hold for all files, where no key says
///   otherwise
/// @param tensors names of a layer's tensors without `blk.N.` and the ending, and what they are
///   called on the hub without `model.layers.N.`; `{expert}` there: rows of one tensor for all
/// @param traits what else is special
record GgufArchitecture(
        String name,
        String modelType,
        String architecture,
        boolean interleaved,
        boolean unitOffsetNorms,
        Map<String, String> fields,
        Map<String, Object> constants,
        Map<String, String> tensors,
        Set<Trait> traits) {

    enum Trait {
        /// Whether attention and feed-forward have biases follows from the tensors.
        BIASES_BY_TENSORS,
        /// Some layers see a window; which ones, `attention.sliding_window_pattern` says.
        WINDOW_PATTERN,
        /// The scale of scores follows from the number of layers: see [GgufConfiguration].
        QUERY_SCALAR,
        /// `rope.dimension_count` may leave channels of a head unrotated.
        PARTIAL_ROTARY
    }

    private static final Map<String, String> LLAMA_TENSORS =
            Map.ofEntries(
                    Map.entry("attn_norm", "input_layernorm"),
                    Map.entry("attn_q", "self_attn.q_proj"),
                    Map.entry("attn_k", "self_attn.k_proj"),
                    Map.entry("attn_v", "self_attn.v_proj"),
                    Map.entry("attn_output", "self_attn.o_proj"),
                    Map.entry("ffn_norm", "post_attention_layernorm"),
                    Map.entry("ffn_gate", "mlp.gate_proj"),
                    Map.entry("ffn_up", "mlp.up_proj"),
                    Map.entry("ffn_down", "mlp.down_proj"));

    private static final Map<String, String> QUERY_KEY_NORMS =
            Map.of("attn_q_norm", "self_attn.q_norm", "attn_k_norm", "self_attn.k_norm");

    private static final Map<String, String> NORMS_AFTER =
            Map.of(
                    "post_attention_norm", "post_attention_layernorm",
                    "post_ffw_norm", "post_feedforward_layernorm");

    private static final Map<String, String> NORMS_ON_BOTH_SIDES =
            Map.of(
                    "post_attention_norm", "post_attention_layernorm",
                    "ffn_norm", "pre_feedforward_layernorm",
                    "post_ffw_norm", "post_feedforward_layernorm");

    private static final Map<String, Object> SILU = Map.of("hidden_act", "silu");
    private static final Map<String, Object> GELU =
            Map.of("hidden_activation", "gelu_pytorch_tanh");

    private static final GgufArchitecture LLAMA =
            new GgufArchitecture(
                    "llama",
                    "llama",
                    "LlamaForCausalLM",
                    true,
                    false,
                    Map.of(),
                    SILU,
                    LLAMA_TENSORS,
                    Set.of(Trait.BIASES_BY_TENSORS));

    /// A file of the architecture `llama` that has experts.
    private static final GgufArchitecture MIXTRAL =
            new GgufArchitecture(
                    "llama",
                    "mixtral",
                    "MixtralForCausalLM",
                    true,
                    false,
                    Map.of(
                            "expert_count", "num_local_experts",
                            "expert_used_count", "num_experts_per_tok"),
                    SILU,
                    with(
                            LLAMA_TENSORS,
                            Map.of(
                                    "ffn_gate_inp", "block_sparse_moe.gate",
                                    "ffn_gate_exps", "block_sparse_moe.experts.{expert}.w1",
                                    "ffn_down_exps", "block_sparse_moe.experts.{expert}.w2",
                                    "ffn_up_exps", "block_sparse_moe.experts.{expert}.w3")),
                    Set.of());

    /// A file of the architecture `llama` whose tokens see a window of positions.
    private static final GgufArchitecture MISTRAL =
            new GgufArchitecture(
                    "llama",
                    "mistral",
                    "MistralForCausalLM",
                    true,
                    false,
                    Map.of("attention.sliding_window", "sliding_window"),
                    SILU,
                    LLAMA_TENSORS,
                    Set.of());

    private static final GgufArchitecture GEMMA =
            new GgufArchitecture(
                    "gemma",
                    "gemma",
                    "GemmaForCausalLM",
                    false,
                    true,
                    Map.of(),
                    Map.of("hidden_act", "gelu_pytorch_tanh"),
                    LLAMA_TENSORS,
                    Set.of());

    private static final GgufArchitecture GEMMA_2 =
            new GgufArchitecture(
                    "gemma2",
                    "gemma2",
                    "Gemma2ForCausalLM",
                    false,
                    true,
                    Map.of(
                            "attn_logit_softcapping", "attn_logit_softcapping",
                            "final_logit_softcapping", "final_logit_softcapping",
                            "attention.sliding_window", "sliding_window"),
                    with(
                            GELU,
                            Map.of(
                                    "sliding_window", 4096,
                                    "attn_logit_softcapping", 50.0,
                                    "final_logit_softcapping", 30.0)),
                    with(LLAMA_TENSORS, NORMS_ON_BOTH_SIDES),
                    Set.of(Trait.WINDOW_PATTERN, Trait.QUERY_SCALAR));

    private static final GgufArchitecture GEMMA_3 =
            new GgufArchitecture(
                    "gemma3",
                    "gemma3_text",
                    "Gemma3ForCausalLM",
                    false,
                    true,
                    Map.of(
                            "final_logit_softcapping", "final_logit_softcapping",
                            "attention.sliding_window", "sliding_window",
                            "rope.freq_base_swa", "rope_local_base_freq"),
                    with(GELU, Map.of("rope_local_base_freq", 10000.0)),
                    with(with(LLAMA_TENSORS, NORMS_ON_BOTH_SIDES), QUERY_KEY_NORMS),
                    Set.of(Trait.WINDOW_PATTERN, Trait.QUERY_SCALAR));

    private static final GgufArchitecture PHI_3 =
            new GgufArchitecture(
                    "phi3",
                    "phi3",
                    "Phi3ForCausalLM",
                    false,
                    false,
                    Map.of("attention.sliding_window", "sliding_window"),
                    SILU,
                    Map.of(
                            "attn_norm", "input_layernorm",
                            "attn_qkv", "self_attn.qkv_proj",
                            "attn_output", "self_attn.o_proj",
                            "ffn_norm", "post_attention_layernorm",
                            "ffn_up", "mlp.gate_up_proj",
                            "ffn_down", "mlp.down_proj"),
                    Set.of(Trait.PARTIAL_ROTARY));

    private static final GgufArchitecture QWEN_2 =
            new GgufArchitecture(
                    "qwen2",
                    "qwen2",
                    "Qwen2ForCausalLM",
                    false,
                    false,
                    Map.of(),
                    SILU,
                    LLAMA_TENSORS,
                    Set.of());

    private static final GgufArchitecture QWEN_3 =
            new GgufArchitecture(
                    "qwen3",
                    "qwen3",
                    "Qwen3ForCausalLM",
                    false,
                    false,
                    Map.of(),
                    SILU,
                    with(LLAMA_TENSORS, QUERY_KEY_NORMS),
                    Set.of(Trait.BIASES_BY_TENSORS));

    /// llama.cpp always makes the weights of the chosen experts sum up to 1.
    private static final GgufArchitecture QWEN_3_MOE =
            new GgufArchitecture(
                    "qwen3moe",
                    "qwen3_moe",
                    "Qwen3MoeForCausalLM",
                    false,
                    false,
                    Map.of(
                            "expert_count", "num_experts",
                            "expert_used_count", "num_experts_per_tok",
                            "expert_feed_forward_length", "moe_intermediate_size"),
                    with(SILU, Map.of("norm_topk_prob", true, "decoder_sparse_step", 1)),
                    with(
                            with(LLAMA_TENSORS, QUERY_KEY_NORMS),
                            Map.of(
                                    "ffn_gate_inp", "mlp.gate",
                                    "ffn_gate_exps", "mlp.experts.{expert}.gate_proj",
                                    "ffn_down_exps", "mlp.experts.{expert}.down_proj",
                                    "ffn_up_exps", "mlp.experts.{expert}.up_proj")),
                    Set.of(Trait.BIASES_BY_TENSORS));

    private static final GgufArchitecture GRANITE =
            new GgufArchitecture(
                    "granite",
                    "granite",
                    "GraniteForCausalLM",
                    true,
                    false,
                    Map.of(
                            "attention.scale", "attention_multiplier",
                            "embedding_scale", "embedding_multiplier",
                            "residual_scale", "residual_multiplier",
                            "logit_scale", "logits_scaling"),
                    SILU,
                    LLAMA_TENSORS,
                    Set.of(Trait.BIASES_BY_TENSORS));

    private static final GgufArchitecture OLMO_2 =
            new GgufArchitecture(
                    "olmo2",
                    "olmo2",
                    "Olmo2ForCausalLM",
                    false,
                    false,
                    Map.of(),
                    SILU,
                    with(
                            without(LLAMA_TENSORS, "attn_norm", "ffn_norm"),
                            with(NORMS_AFTER, QUERY_KEY_NORMS)),
                    Set.of());

    /// Every fourth layer rotates no positions; llama.cpp has no key for that.
    private static final GgufArchitecture SMOLLM_3 =
            new GgufArchitecture(
                    "smollm3",
                    "smollm3",
                    "SmolLM3ForCausalLM",
                    true,
                    false,
                    Map.of(),
                    with(SILU, Map.of("no_rope_layer_interval", 4, "use_sliding_window", false)),
                    LLAMA_TENSORS,
                    Set.of(Trait.BIASES_BY_TENSORS));

    private static final List<GgufArchitecture> ALL =
            List.of(
                    LLAMA,
                    GEMMA,
                    GEMMA_2,
                    GEMMA_3,
                    PHI_3,
                    QWEN_2,
                    QWEN_3,
                    QWEN_3_MOE,
                    GRANITE,
                    OLMO_2,
                    SMOLLM_3);

    /// @param experts whether the file says how many experts it has
    /// @param window whether it says how many positions a token sees
    static Optional<GgufArchitecture> of(String name, boolean experts, boolean window) {
        if (name.equals(LLAMA.name()) && experts) {
            return Optional.of(MIXTRAL);
        }
        if (name.equals(LLAMA.name()) && window) {
            return Optional.of(MISTRAL);
        }
        return ALL.stream().filter(each -> each.name().equals(name)).findFirst();
    }

    /// The row that a family of the hub is exported by.
    static Optional<GgufArchitecture> ofFamily(String modelType) {
        return Stream.concat(ALL.stream(), Stream.of(MIXTRAL, MISTRAL))
                .filter(each -> each.modelType().equals(modelType))
                .findFirst();
    }

    static List<String> families() {
        return Stream.concat(ALL.stream(), Stream.of(MIXTRAL, MISTRAL))
                .map(GgufArchitecture::modelType)
                .sorted()
                .toList();
    }

    static List<String> names() {
        return ALL.stream().map(GgufArchitecture::name).toList();
    }

    boolean has(Trait trait) {
        return traits.contains(trait);
    }

    private static <V> Map<String, V> with(Map<String, V> some, Map<String, V> more) {
        Map<String, V> all = new HashMap<>(some);
        all.putAll(more);
        return Map.copyOf(all);
    }

    private static Map<String, String> without(Map<String, String> some, String... gone) {
        Map<String, String> rest = new HashMap<>(some);
        for (String name : gone) {
            rest.remove(name);
        }
        return Map.copyOf(rest);
    }
}
