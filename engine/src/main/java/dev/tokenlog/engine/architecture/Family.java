package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;

/// What distinguishes one family of models from another, as a row of data: how its configuration is
/// to be understood, which of its fields mean something, and what its tensors are called.
///
/// @param modelType the `model_type` of its configurations
/// @param architectures values of `architectures` that are language models of this family
/// @param names of its tensors
/// @param defaults fields as they stand where a configuration is silent: those of the family's
///   configuration class in Hugging Face transformers. A field that has none must be there.
/// @param biases which projections of attention have biases
/// @param windows which layers see a window of positions only
/// @param rotaries which layers rotate positions, and by what
/// @param traits what else it does that Llama does not
/// @param ropeTypes rotary scalings that its configurations may ask for
/// @param notes fields that sound like arithmetic, but that its own implementation does not read
record Family(
        String modelType,
        Set<String> architectures,
        TensorNames names,
        ObjectNode defaults,
        Biases biases,
        Windows windows,
        Rotaries rotaries,
        Set<Trait> traits,
        Set<String> ropeTypes,
        Set<String> notes) {

    /// Which projections of attention have biases.
    enum Biases {
        NONE,
        /// All four where `attention_bias` says so.
        BY_FIELD,
        /// Query, key and value always.
        QUERY_KEY_VALUE
    }

    /// Which layers see only the last `sliding_window` positions.
    enum Windows {
        NONE,
        /// All, where there is a window.
        EVERY_LAYER,
        /// All, where `use_sliding_window` says so.
        EVERY_LAYER_IF_USED,
        /// Those that `layer_types` names; without it, every other one, the first included.
        EVERY_OTHER_LAYER,
        /// Those that `layer_types` names; without it, all but each sixth one, or as
        /// `sliding_window_pattern` says.
        ALL_BUT_EACH_SIXTH,
        /// Those that `layer_types` names; without it, from `max_window_layers` on; none unless
        /// `use_sliding_window`.
        LATE_LAYERS,
        /// Those that `layer_types` names; without it, those without rotary positions; none unless
        /// `use_sliding_window`.
        LAYERS_WITHOUT_ROTARY
    }

    /// Which layers rotate positions.
    enum Rotaries {
        /// All alike.
        ONE,
        /// Layers with a window differently: by `rope_local_base_freq`, or by `rope_parameters` for
        /// each layer type.
        BY_LAYER_TYPE,
        /// Not those that `no_rope_layers` or `no_rope_layer_interval` leave out.
        SOME_LAYERS
    }

    enum Trait {
        /// `mlp_bias` says whether the feed-forward matrices have biases.
        FEED_FORWARD_BIAS_FIELD,
        /// Norms multiply by 1 + w.
        UNIT_OFFSET_NORMS,
        /// Embeddings are multiplied by the root of the hidden size.
        ROOT_SCALED_EMBEDDING,
        /// `query_pre_attn_scalar` takes the place of the head size in the scale of scores.
        QUERY_SCALAR,
        /// `attn_logit_softcapping`.
        SCORE_CAP,
        /// `final_logit_softcapping`.
        LOGIT_CAP,
        /// `embedding_multiplier`, `attention_multiplier`, `residual_multiplier`, `logits_scaling`.
        MULTIPLIERS,
        /// Norms of queries and keys run over all heads together.
        WHOLE_PROJECTION_NORMS,
        /// `partial_rotary_factor` may leave channels of a head as they are.
        PARTIAL_ROTARY,
        /// `hidden_activation` says what the activation is, `hidden_act` nothing.
        HIDDEN_ACTIVATION,
        /// `gelu` in `hidden_act` means its tanh form.
        GELU_IS_TANH,
        /// Feed-forward networks are mixtures of `num_local_experts`, of which
        /// `num_experts_per_tok` compute each token.
        MIXTURE,
        /// Not in all layers (`decoder_sparse_step`, `mlp_only_layers`), of
        /// `moe_intermediate_size`, and normalized only where `norm_topk_prob` says so.
        SOME_MIXTURES
    }

    /// What a tensor is for.
    enum Role {
        EMBEDDING,
        INPUT_NORM,
        QUERY,
        KEY,
        VALUE,
        QUERY_NORM,
        KEY_NORM,
        OUTPUT,
        /// Of what attention adds to the residual stream.
        ATTENTION_OUTPUT_NORM,
        /// Before the feed-forward network.
        FEED_FORWARD_NORM,
        GATE,
        UP,
        DOWN,
        /// Of a mixture of experts. In the names of an expert's tensors, `{expert}` stands for its
        /// number.
        ROUTER,
        EXPERT_GATE,
        EXPERT_UP,
        EXPERT_DOWN,
        /// Of what the feed-forward network adds to the residual stream.
        FEED_FORWARD_OUTPUT_NORM,
        FINAL_NORM,
        HEAD
    }

    /// Names of tensors; `{layer}` stands for the layer's number. A norm without a name is not
    /// there. Equal names of query, key and value, or of gate and up, mean rows of one tensor.
    record TensorNames(Map<Role, String> byRole) {

        /// The same names, but for these; an empty one takes the tensor away.
        TensorNames with(Map<Role, String> others) {
            Map<Role, String> names = new EnumMap<>(byRole);
            names.putAll(others);
            names.values().removeIf(String::isEmpty);
            return new TensorNames(names);
        }

        String of(Role role) {
            return byRole.get(role);
        }

        /// @return null where the family has no such tensor
        String of(Role role, int layer) {
            String pattern = byRole.get(role);
            return pattern == null ? null : pattern.replace("{layer}", Integer.toString(layer));
        }
    }

    boolean has(Trait trait) {
        return traits.contains(trait);
    }
}
