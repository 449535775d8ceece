package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.Family.TensorNames;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Reads a `config.json` into a [ModelPlan]. What a configuration asks for and the engine does not
/// do is refused by the name of the field.
public final class ModelPlans {

    private static final int MAX_LAYERS = 1024;
    private static final int MAX_HEADS = 1024;
    private static final int MAX_WIDTH = 1 << 20;
    private static final int MAX_VOCABULARY = 1 << 22;

    private static final Set<String> FLOAT_TYPES = Set.of("float32", "float16", "bfloat16");

    private ModelPlans() {}

    /// @throws dev.tokenlog.engine.EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming a
    ///   field that is missing or broken; `UNSUPPORTED` naming a field that asks for too much
    public static ModelPlan read(Path configJson) {
        return of(StrictJson.object(configJson), configJson.toString());
    }

    /// @param file names the configuration in errors
    static ModelPlan of(JsonNode json, String file) {
        ConfigFields config = new ConfigFields(json, file);
        Family family = family(config);
        checkQuantization(config);
        checkDataType(config);
        ModelPlan plan = plan(config, family);
        UnreadFields.refuseArithmetic(config);
        return plan;
    }

    private static Family family(ConfigFields config) {
        String modelType =
                config.text("model_type")
                        .orElseThrow(() -> config.unreadable("model_type", "is missing"));
        Family family =
                Families.of(modelType)
                        .orElseThrow(() ->
                                config.unsupported(
                                        "model_type",
                                        "'%s': expected one of %s"
                                                .formatted(modelType, Families.modelTypes())));
        config.any("architectures")
                .ifPresent(names -> {
                    if (!names.isArray()) {
                        throw config.unreadable("architectures", "expected a list");
                    }
                    for (JsonNode name : names) {
                        if (!family.architectures().contains(name.asText())) {
                            throw config.unsupported(
                                    "architectures",
                                    "'%s': expected %s"
                                            .formatted(name.asText(), family.architectures()));
                        }
                    }
                });
        return family;
    }

    /// Weights that somebody else has quantized are no source.
    private static void checkQuantization(ConfigFields config) {
        for (String field : List.of("quantization_config", "compression_config")) {
            if (config.any(field).isPresent()) {
                throw config.unsupported(
                        field, "the source is quantized already; expected float weights");
            }
        }
    }

    private static void checkDataType(ConfigFields config) {
        for (String field : List.of("torch_dtype", "dtype")) {
            config.text(field)
                    .filter(type -> !FLOAT_TYPES.contains(type))
                    .ifPresent(type -> {
                        throw config.unsupported(
                                field,
                                "'%s': expected float32, float16 or bfloat16".formatted(type));
                    });
        }
    }

    private static ModelPlan plan(ConfigFields config, Family family) {
        TensorNames names = family.names();
        int vocabulary = config.integer("vocab_size", 1, MAX_VOCABULARY);
        int hidden = config.integer("hidden_size", 1, MAX_WIDTH);
        int context =
                config.integer(
                        "max_position_embeddings",
                        1,
                        Integer.MAX_VALUE,
                        family.usualContextLength());
        boolean tied = config.flag("tie_word_embeddings", family.usuallyTied());
        float epsilon = (float) config.positive("rms_norm_eps", family.usualNormEpsilon());
        Attention attention = attention(config, hidden);
        FeedForward feedForward = feedForward(config, family);
        Rotary rotary = RotaryScaling.read(config, family, attention.headSize());
        int layers = config.integer("num_hidden_layers", 1, MAX_LAYERS);
        return new ModelPlan(
                family.modelType(),
                vocabulary,
                hidden,
                context,
                1f,
                IntStream.range(0, layers)
                        .mapToObj(layer -> layer(names, layer, attention, feedForward, epsilon))
                        .toList(),
                rotary,
                epsilon,
                tied,
                names.embedding(),
                names.finalNorm(),
                tied ? names.embedding() : names.head());
    }

    /// The attention of every layer, still without names.
    private static Attention attention(ConfigFields config, int hidden) {
        int heads = config.integer("num_attention_heads", 1, MAX_HEADS);
        int keyValueHeads = config.integer("num_key_value_heads", 1, heads, heads);
        if (heads % keyValueHeads != 0) {
            throw config.unreadable(
                    "num_key_value_heads", keyValueHeads + " does not divide " + heads + " heads");
        }
        if (!config.has("head_dim") && hidden % heads != 0) {
            throw config.unreadable(
                    "hidden_size", hidden + " is no multiple of " + heads + " heads");
        }
        int headSize = config.integer("head_dim", 2, MAX_WIDTH / heads, hidden / heads);
        if (headSize % 2 != 0) {
            throw config.unreadable(
                    "head_dim", headSize + ": rotary positions need an even number");
        }
        boolean bias = config.flag("attention_bias", false);
        float scale = (float) (1 / StrictMath.sqrt(headSize));
        return new Attention(heads, keyValueHeads, headSize, scale, 0, bias, bias, "", "", "", "");
    }

    private static FeedForward feedForward(ConfigFields config, Family family) {
        String field = family.activationField();
        String name = config.text(field).orElse(family.usualActivation());
        Activation activation = family.activations().get(name);
        if (activation == null) {
            throw config.unsupported(
                    field,
                    "'%s': expected one of %s"
                            .formatted(
                                    name,
                                    family.activations().keySet().stream().sorted().toList()));
        }
        int inner = config.integer("intermediate_size", 1, MAX_WIDTH);
        return new FeedForward(inner, activation, config.flag("mlp_bias", false), "", "", "");
    }

    private static LayerPlan layer(
            TensorNames names, int layer, Attention a, FeedForward f, float epsilon) {
        Attention attention =
                new Attention(
                        a.heads(),
                        a.keyValueHeads(),
                        a.headSize(),
                        a.scale(),
                        a.window(),
                        a.queryKeyValueBias(),
                        a.outputBias(),
                        TensorNames.of(names.query(), layer),
                        TensorNames.of(names.key(), layer),
                        TensorNames.of(names.value(), layer),
                        TensorNames.of(names.output(), layer));
        FeedForward feedForward =
                new FeedForward(
                        f.intermediateSize(),
                        f.activation(),
                        f.bias(),
                        TensorNames.of(names.gate(), layer),
                        TensorNames.of(names.up(), layer),
                        TensorNames.of(names.down(), layer));
        return new LayerPlan(
                attention,
                feedForward,
                TensorNames.of(names.inputNorm(), layer),
                TensorNames.of(names.postAttentionNorm(), layer),
                epsilon);
    }
}
