package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;
import java.util.regex.Pattern;

/// Judges the fields of a configuration that the plan has not read: notes that change nothing are
/// left alone, whatever sounds like arithmetic and is switched on is refused by its name.
final class UnreadFields {

    /// Training, serving and bookkeeping: no influence on what the model computes.
    private static final Set<String> NOTES =
            Set.of(
                    "attn_implementation",
                    "auto_map",
                    "bos_token_id",
                    "eos_token_id",
                    "initializer_range",
                    "is_llama_config",
                    "output_attentions",
                    "output_hidden_states",
                    "pad_token_id",
                    "pretraining_tp",
                    "return_dict",
                    "torchscript",
                    "transformers.js_config",
                    "transformers_version",
                    "unk_token_id",
                    "use_cache");

    private static final Pattern NOTE_WORDS = Pattern.compile("^_|drop|^unsloth|token_id$");

    /// Words under which model families hide arithmetic of their own. Tried against the fields of
    /// all decoder configurations of transformers 5.23.
    private static final Pattern ARITHMETIC =
            Pattern.compile(
                    "act_|activation|adapter|alibi|altup|attention|attn|bias|bidirectional|causal|chunk"
                            + "|clamp|clip|compress|conv_|conv1d|cross|decoder|embed|expand|expert|factor"
                            + "|(^|_)gat(e|ed|ing)(_|$)|group|head_dim|indexer|interleav|kv_|laurel|layer_types|logit"
                            + "|lora|mamba|mlp_only|moe|multi_query|multiplier|mup|ngram_|norm|parallel"
                            + "|patch|position|pruned|quant|residual|rope|rotary|scal|shared|softcap"
                            + "|sparse|ssm|swiglu|topk|v_channels|window");

    /// Fields that ask for what the engine does when they are true.
    private static final Pattern AFFIRMED =
            Pattern.compile(
                    "^(is_)?causal|^use_(rope|rotary|rms_?norm|gated)|^rms_?norm$|scale_attn_weights"
                            + "|^gated");

    /// Generation settings that older configurations carry; they decide nothing here.
    private static final Pattern GENERATION =
            Pattern.compile("no_repeat_ngram_size|num_beam_groups|^is_decoder$");

    private static final Pattern FACTOR = Pattern.compile("factor|multiplier|scal|_mod$");

    private UnreadFields() {}

    static void refuseArithmetic(ConfigFields config, Family family) {
        for (String field : config.unread()) {
            JsonNode value = config.value(field);
            boolean note =
                    NOTES.contains(field)
                            || family.notes().contains(field)
                            || NOTE_WORDS.matcher(field).find()
                            || GENERATION.matcher(field).find();
            if (!note && isArithmetic(field) && !isNeutral(field, value)) {
                throw config.unsupported(
                        field, ConfigFields.shown(value) + " asks for what the engine does not do");
            }
        }
    }

    private static boolean isArithmetic(String field) {
        return ARITHMETIC.matcher(field).find() || AFFIRMED.matcher(field).find();
    }

    private static boolean isNeutral(String field, JsonNode value) {
        if (value.isBoolean() && AFFIRMED.matcher(field).find()) {
            return value.booleanValue();
        }
        if (value.isNumber()) {
            double number = value.doubleValue();
            return number == 0 || (number == 1 && FACTOR.matcher(field).find());
        }
        if (value.isTextual()) {
            return value.textValue().isEmpty();
        }
        return value.isNull()
                || (value.isBoolean() && !value.booleanValue())
                || (value.isContainerNode() && value.isEmpty());
    }
}
