package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.artifact.GgufArchitecture.Trait;
import dev.tokenlog.engine.format.gguf.GgufWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;

/// A layer plan and its configuration as keys of a GGUF file: the way back of [GgufConfiguration].
/// Sizes come from the plan; what the architecture's row translates as it is, from the
/// configuration. What GGUF has no key for is noticed afterwards: the file is read again, and must
/// give the same plan.
final class GgufKeys {

    private final Path file;
    private final ModelPlan plan;
    private final JsonNode config;
    private final GgufArchitecture architecture;
    private final GgufWriter out;
    private final Map<String, float[]> factors = new LinkedHashMap<>();

    /// @param file names the configuration in errors
    GgufKeys(
            Path file,
            ModelPlan plan,
            JsonNode config,
            GgufArchitecture architecture,
            GgufWriter out) {
        this.file = file;
        this.plan = plan;
        this.config = config;
        this.architecture = architecture;
        this.out = out;
    }

    /// @return tensors of rotary factors that belong to the keys, by name
    Map<String, float[]> write() {
        Attention attention = plan.layers().getFirst().attention();
        FeedForward feedForward = feedForward();
        whole("context_length", plan.contextLength());
        whole("embedding_length", plan.hiddenSize());
        whole("block_count", plan.layers().size());
        whole(
                "feed_forward_length",
                config.path("intermediate_size").asInt(feedForward.intermediateSize()));
        whole("attention.head_count", attention.heads());
        whole("attention.head_count_kv", attention.keyValueHeads());
        whole("attention.key_length", attention.headSize());
        whole("attention.value_length", attention.headSize());
        out.real(key("attention.layer_norm_rms_epsilon"), plan.finalNormEpsilon());
        whole("vocab_size", plan.vocabularySize());
        fields(attention, feedForward);
        pattern();
        rotary();
        return factors;
    }

    /// Every so manyth layer sees everything; written where it is not what readers take for
    /// granted.
    private void pattern() {
        if (!architecture.has(Trait.WINDOW_PATTERN)) {
            return;
        }
        int layers = plan.layers().size();
        int period = 1;
        while (period <= layers && plan.layers().get(period - 1).attention().window() > 0) {
            period++;
        }
        if (period != GgufConfiguration.usualPeriod(architecture) && period <= layers) {
            whole("attention.sliding_window_pattern", period);
        }
    }

    /// Of the first layer with experts, where there are any.
    private FeedForward feedForward() {
        return plan.layers().stream()
                .map(ModelPlan.LayerPlan::feedForward)
                .filter(each -> each.mixture() != null)
                .findFirst()
                .orElse(plan.layers().getFirst().feedForward());
    }

    private String key(String suffix) {
        return architecture.name() + "." + suffix;
    }

    private void whole(String suffix, int value) {
        out.whole(key(suffix), value);
    }

    private void fields(Attention attention, FeedForward feedForward) {
        architecture
                .fields()
                .forEach((suffix, field) -> {
                    JsonNode value = config.path(field);
                    if (suffix.equals("attention.sliding_window")) {
                        int window =
                                plan.layers().stream()
                                        .mapToInt(l -> l.attention().window())
                                        .max()
                                        .orElse(0);
                        if (window > 0) {
                            whole(suffix, window);
                        }
                    } else if (suffix.equals("attn_logit_softcapping")) {
                        out.real(key(suffix), attention.softCap());
                    } else if (suffix.equals("final_logit_softcapping")) {
                        if (plan.logitSoftCap() > 0) {
                            out.real(key(suffix), plan.logitSoftCap());
                        }
                    } else if (suffix.equals("expert_count")) {
                        whole(suffix, feedForward.mixture().experts());
                    } else if (suffix.equals("expert_used_count")) {
                        whole(suffix, feedForward.mixture().chosen());
                    } else if (suffix.equals("expert_feed_forward_length")) {
                        whole(suffix, feedForward.intermediateSize());
                    } else if (suffix.equals("rope.freq_base_swa")) {
                        double nested =
                                config.path("rope_parameters")
                                        .path("sliding_attention")
                                        .path("rope_theta")
                                        .asDouble(10000);
                        out.real(key(suffix), (float) value.asDouble(nested));
                    } else if (value.isNumber()) {
                        out.real(key(suffix), (float) value.doubleValue());
                    }
                });
    }

    /// `rope_scaling`, or what newer configurations call `rope_parameters`, for all layers or for
    /// those that see everything.
    private JsonNode scaling() {
        JsonNode scaling = config.path("rope_scaling");
        if (!scaling.isObject()) {
            scaling = config.path("rope_parameters");
        }
        return scaling.path("full_attention").isObject() ? scaling.path("full_attention") : scaling;
    }

    private void rotary() {
        JsonNode scaling = scaling();
        double base =
                config.path("rope_theta").asDouble(scaling.path("rope_theta").asDouble(10000));
        out.real(key("rope.freq_base"), (float) base);
        whole("rope.dimension_count", plan.rotary().dimensions());
        String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
        switch (type) {
            case "default" -> {}
            case "linear" -> {
                out.text(key("rope.scaling.type"), "linear");
                out.real(key("rope.scaling.factor"), number(scaling, "factor"));
            }
            case "yarn" -> yarn(scaling);
            case "llama3" -> factors(base);
            case "longrope" -> longrope(scaling);
            default -> throw unsupported("rope_type", "'" + type + "': GGUF has no keys for it");
        }
        if (!type.equals("longrope") && architecture.has(Trait.PARTIAL_ROTARY)) {
            int original = config.path("original_max_position_embeddings").asInt(0);
            if (original > 0) {
                whole("rope.scaling.original_context_length", original);
            }
        }
    }

    private void yarn(JsonNode scaling) {
        out.text(key("rope.scaling.type"), "yarn");
        out.real(key("rope.scaling.factor"), number(scaling, "factor"));
        String original = "original_max_position_embeddings";
        whole(
                "rope.scaling.original_context_length",
                scaling.path(original).asInt(config.path(original).asInt(plan.contextLength())));
        for (String beta : new String[] {"beta_fast", "beta_slow"}) {
            if (scaling.path(beta).isNumber()) {
                out.real(
                        key("rope.scaling.yarn_" + beta), (float) scaling.path(beta).doubleValue());
            }
        }
    }

    /// llama.cpp divides the frequencies by these factors; of the architecture `llama` only.
    private void factors(double base) {
        if (!architecture.name().equals("llama")) {
            throw unsupported(
                    "rope_type",
                    "'llama3': llama.cpp reads rotary factors of the architecture llama only");
        }
        Rotary rotary = plan.rotary();
        float[] divisors = new float[rotary.inverseFrequencies().size()];
        for (int i = 0; i < divisors.length; i++) {
            double plain = StrictMath.pow(base, -2.0 * i / rotary.dimensions());
            divisors[i] = (float) (plain / rotary.inverseFrequencies().get(i));
        }
        factors.put("rope_freqs.weight", divisors);
    }

    private void longrope(JsonNode scaling) {
        if (!architecture.has(Trait.PARTIAL_ROTARY)) {
            throw unsupported("rope_type", "'longrope': llama.cpp reads its factors of Phi-3 only");
        }
        int original =
                config.path("original_max_position_embeddings")
                        .asInt(scaling.path("original_max_position_embeddings").asInt(0));
        whole("rope.scaling.original_context_length", original);
        out.real(key("rope.scaling.attn_factor"), (float) plan.rotary().attentionFactor());
        factors.put("rope_factors_long.weight", numbers(scaling, "long_factor"));
        factors.put("rope_factors_short.weight", numbers(scaling, "short_factor"));
    }

    private float[] numbers(JsonNode scaling, String field) {
        float[] numbers = new float[scaling.path(field).size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) scaling.path(field).path(i).asDouble();
        }
        return numbers;
    }

    private float number(JsonNode scaling, String field) {
        return (float)
                OptionalDouble.of(scaling.path(field).asDouble()).stream()
                        .filter(value -> value > 0)
                        .findFirst()
                        .orElseThrow(() -> unsupported(field, "expected a number above 0"));
    }

    private EngineException unsupported(String field, String why) {
        return new EngineException(Reason.UNSUPPORTED, file + ": field '" + field + "': " + why);
    }
}
