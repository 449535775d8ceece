package dev.tokenlog.engine.artifact;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What older files call a tensor, and what the hub calls it:
///
/// - `layer_3_self_attn_q_proj_weight`, `lm_head_weight` of an archive, whose matrices lie
///   transposed, `[inputs, outputs]`;
/// - `layer_3.self_attn.q_proj` of a manifest;
/// - `transformer.layers.3.self_attn.q_proj.weight`;
/// - anything else is the hub's name already.
final class LooseNames {

    private static final Pattern UNDERSCORES =
            Pattern.compile("(?:layer_(?<layer>[0-9]{1,6})_)?(?<part>[a-z0-9_]+)_weight");
    private static final Pattern LAYER =
            Pattern.compile("layer_(?<layer>[0-9]{1,6})\\.(?<part>.+?)(\\.weight)?");

    private LooseNames() {}

    /// Whether an archive with this key holds the matrix transposed.
    static boolean isTransposed(String key) {
        return UNDERSCORES.matcher(key).matches();
    }

    static String hub(String key) {
        Matcher underscores = UNDERSCORES.matcher(key);
        if (underscores.matches()) {
            String part =
                    underscores
                            .group("part")
                            .replaceFirst("^self_attn_", "self_attn.")
                            .replaceFirst("^mlp_", "mlp.");
            return inModel(underscores.group("layer"), part) + ".weight";
        }
        Matcher layer = LAYER.matcher(key);
        if (layer.matches()) {
            return inModel(layer.group("layer"), layer.group("part")) + ".weight";
        }
        return key.startsWith("transformer.")
                ? "model." + key.substring("transformer.".length())
                : key;
    }

    private static String inModel(String layer, String part) {
        if (layer != null) {
            return "model.layers." + layer + "." + part;
        }
        return part.equals("lm_head") ? part : "model." + part;
    }
}
