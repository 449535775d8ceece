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

    /// Words under which model families hide arithmetic of their own.
    private static final Pattern ARITHMETIC =
            Pattern.compile(
                    "act_|activation|adapter|alibi|attention|attn|bias|chunk|compress|cross"
                            + "|decoder|embed|expert|factor|interleav|layer_types|logit|lora|moe"
                            + "|multiplier|mup|norm|parallel|position|pruned|quant|residual|rope|rotary"
                            + "|scal|softcap|sparse|window");

    private static final Pattern FACTOR = Pattern.compile("factor|multiplier|scal");

    private UnreadFields() {}

    static void refuseArithmetic(ConfigFields config, Family family) {
        for (String field : config.unread()) {
            JsonNode value = config.value(field);
            boolean note =
                    NOTES.contains(field)
                            || family.notes().contains(field)
                            || NOTE_WORDS.matcher(field).find();
            if (!note && ARITHMETIC.matcher(field).find() && !isNeutral(field, value)) {
                throw config.unsupported(
                        field, ConfigFields.shown(value) + " asks for what the engine does not do");
            }
        }
    }

    private static boolean isNeutral(String field, JsonNode value) {
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
