package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.Families.Whole;
import dev.tokenlog.engine.architecture.Family.Biases;
import dev.tokenlog.engine.architecture.Family.Role;
import dev.tokenlog.engine.architecture.Family.Rotaries;
import dev.tokenlog.engine.architecture.Family.TensorNames;
import dev.tokenlog.engine.architecture.Family.Trait;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.architecture.RotaryScaling.Scaled;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;

/// Reads a `config.json` into a [ModelPlan]. What a configuration asks for and the engine does not
/// do is refused by the name of the field.
public final class ModelPlans {

    private static final int MAX_LAYERS = 1024;
    private static final int MAX_HEADS = 1024;
    private static final int MAX_WIDTH = 1 << 20;
    private static final int MAX_VOCABULARY = 1 << 20;

    /// A table of cosines has so many numbers for each position, and one is made for thousands.
    private static final int MAX_HEAD_SIZE = 4096;

    /// Of one matrix, so that its scales fit into an array: four times the largest that is known.
    private static final long MAX_ELEMENTS = 1L << 33;

    /// Of a tensor that stays float.
    private static final long MAX_FLOAT_ELEMENTS = 1L << 28;

    private static final String LOGIT_CAP = "final_logit_softcapping";

    private static final Set<String> FLOAT_TYPES = Set.of("float32", "float16", "bfloat16");

    private static final Map<String, Activation> ACTIVATIONS =
            Map.of(
                    "silu", Activation.SILU,
                    "swish", Activation.SILU,
                    "gelu_pytorch_tanh", Activation.GELU_TANH,
                    "gelu_new", Activation.GELU_TANH);

    private final ConfigFields config;
    private final Family family;
    private final TensorNames names;

    private ModelPlans(ConfigFields config, Family family) {
        this.config = config;
        this.family = family;
        this.names = family.names();
    }

    /// @throws dev.tokenlog.engine.EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming a
    ///   field that is missing or broken; `UNSUPPORTED` naming a field that asks for too much
    public static ModelPlan read(Path configJson) {
        return of(StrictJson.object(configJson), configJson.toString());
    }

    /// What [#read] makes of a configuration that stands elsewhere.
    ///
    /// @param file names the configuration in errors
    public static ModelPlan of(JsonNode json, String file) {
        ConfigFields whole = new ConfigFields(json, file);
        Optional<Whole> outer = whole.text("model_type").flatMap(Families::whole);
        ConfigFields stated = outer.map(o -> text(whole, o)).orElse(whole);
        Family family = outer.map(Whole::text).orElseGet(() -> family(whole));
        ConfigFields config = stated.withDefaults(family.defaults());
        checkQuantization(config);
        checkDataType(config);
        ModelPlan plan = new ModelPlans(config, family).plan();
        refuseHugeTensors(plan, config);
        UnreadFields.refuseArithmetic(config, family);
        return plan;
    }

    /// The part for text of a configuration that has more.
    private static ConfigFields text(ConfigFields config, Whole outer) {
        checkArchitectures(config, outer.architectures());
        checkQuantization(config);
        checkDataType(config);
        ConfigFields text =
                config.object("text_config")
                        .orElseThrow(() -> config.unreadable("text_config", "is missing"));
        String expected = outer.text().modelType();
        if (!text.text("model_type").orElse(expected).equals(expected)) {
            throw text.unsupported("model_type", "expected " + expected);
        }
        checkArchitectures(text, outer.text().architectures());
        boolean tied = config.flag("tie_word_embeddings", true);
        if (text.flag("tie_word_embeddings", true) != tied) {
            throw text.unreadable(
                    "tie_word_embeddings", "is another one than that of the whole model, " + tied);
        }
        if (text.any(LOGIT_CAP).isPresent()) {
            // transformers caps the logits of the text model alone, but not those of the whole one
            throw text.unsupported(
                    LOGIT_CAP, "means something or nothing in a " + outer.modelType());
        }
        UnreadFields.refuseArithmetic(config, outer.text());
        return text;
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
        checkArchitectures(config, family.architectures());
        return family;
    }

    private static void checkArchitectures(ConfigFields config, Set<String> known) {
        config.any("architectures")
                .ifPresent(names -> {
                    if (!names.isArray()) {
                        throw config.unreadable("architectures", "expected a list");
                    }
                    for (JsonNode name : names) {
                        if (!known.contains(name.asText())) {
                            throw config.unsupported(
                                    "architectures",
                                    "'%s': expected %s".formatted(name.asText(), known));
                        }
                    }
                });
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

    /// Each field may be within its bounds, and their product beyond any computer.
    private static void refuseHugeTensors(ModelPlan plan, ConfigFields config) {
        for (PlannedTensor tensor : PlannedTensor.of(plan)) {
            boolean inFloat = !tensor.kind().isQuantizable();
            if (tensor.elements() > (inFloat ? MAX_FLOAT_ELEMENTS : MAX_ELEMENTS)) {
                throw config.unreadable(
                        tensor.kind() == Kind.EMBEDDING ? "vocab_size" : "hidden_size",
                        "gives '%s' %s: expected fewer elements"
                                .formatted(tensor.name(), tensor.shape()));
            }
        }
    }

    private ModelPlan plan() {
        int vocabulary = config.integer("vocab_size", 1, MAX_VOCABULARY);
        int hidden = config.integer("hidden_size", 1, MAX_WIDTH);
        int context = config.integer("max_position_embeddings", 1, Integer.MAX_VALUE);
        boolean tied = config.flag("tie_word_embeddings", false);
        float epsilon = single(config.positive("rms_norm_eps"), "rms_norm_eps");
        int count = config.integer("num_hidden_layers", 1, MAX_LAYERS);
        Attention attention = attention(hidden);
        FeedForward feedForward = feedForward();
        Optional<Mixtures> mixtures = Mixtures.read(config, family, count, MAX_WIDTH);
        LayerKinds kinds = LayerKinds.read(config, family, count);
        List<Scaled> rotaries = rotaries(attention.headSize(), context);
        return new ModelPlan(
                family.modelType(),
                vocabulary,
                hidden,
                Math.max(context, rotaries.getFirst().context()),
                embeddingScale(hidden),
                IntStream.range(0, count)
                        .mapToObj(layer ->
                                layer(layer, kinds, attention, feedForward, mixtures, epsilon))
                        .toList(),
                rotaries.getFirst().rotary(),
                epsilon,
                tied,
                names.of(Role.EMBEDDING),
                names.of(Role.FINAL_NORM),
                names.of(tied ? Role.EMBEDDING : Role.HEAD),
                rotaries.stream().skip(1).map(Scaled::rotary).toList(),
                family.has(Trait.UNIT_OFFSET_NORMS),
                multiplier("residual_multiplier"),
                family.has(Trait.MULTIPLIERS)
                        ? unlessOne(1 / config.positive("logits_scaling"), "logits_scaling")
                        : 0,
                family.has(Trait.LOGIT_CAP) ? size(LOGIT_CAP) : 0);
    }

    private float embeddingScale(int hidden) {
        if (family.has(Trait.ROOT_SCALED_EMBEDDING)) {
            return (float) StrictMath.sqrt(hidden);
        }
        float multiplier = multiplier("embedding_multiplier");
        return multiplier == 0 ? 1 : multiplier;
    }

    /// @return 0 where there is no multiplier or it is 1
    private float multiplier(String field) {
        return family.has(Trait.MULTIPLIERS) ? unlessOne(config.positive(field), field) : 0;
    }

    private float unlessOne(double multiplier, String field) {
        return multiplier == 1 ? 0 : single(multiplier, field);
    }

    /// @return 0 where the field is missing
    private float size(String field) {
        return config.has(field) ? single(config.positive(field), field) : 0;
    }

    /// A number that is still one when rounded to binary32.
    private float single(double value, String field) {
        float rounded = (float) value;
        if (!Float.isFinite(rounded) || rounded < Float.MIN_NORMAL) {
            throw config.unreadable(field, "is beyond the range of a 32-bit number");
        }
        return rounded;
    }

    private List<Scaled> rotaries(int headSize, int context) {
        RotaryScaling scaling = new RotaryScaling(config, family, headSize, context);
        return family.rotaries() == Rotaries.BY_LAYER_TYPE
                ? scaling.readByLayerType()
                : List.of(scaling.read());
    }

    /// What is common to the attention of all layers, still without names.
    private Attention attention(int hidden) {
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
        if (headSize > MAX_HEAD_SIZE) {
            throw config.unreadable(
                    config.has("head_dim") ? "head_dim" : "num_attention_heads",
                    "gives heads of %d; the limit is %d".formatted(headSize, MAX_HEAD_SIZE));
        }
        if (headSize % 2 != 0) {
            throw config.unreadable(
                    "head_dim", headSize + ": rotary positions need an even number");
        }
        boolean outputBias =
                family.biases() == Biases.BY_FIELD && config.flag("attention_bias", false);
        return new Attention(
                heads,
                keyValueHeads,
                headSize,
                scoreScale(headSize),
                0,
                outputBias || family.biases() == Biases.QUERY_KEY_VALUE,
                outputBias,
                "",
                "",
                "",
                "",
                family.has(Trait.SCORE_CAP) ? size("attn_logit_softcapping") : 0,
                0,
                null,
                null,
                family.has(Trait.WHOLE_PROJECTION_NORMS));
    }

    private float scoreScale(int headSize) {
        if (family.has(Trait.MULTIPLIERS)) {
            return single(config.positive("attention_multiplier"), "attention_multiplier");
        }
        double size =
                family.has(Trait.QUERY_SCALAR)
                        ? config.positive("query_pre_attn_scalar")
                        : headSize;
        return single(1 / StrictMath.sqrt(size), "query_pre_attn_scalar");
    }

    private FeedForward feedForward() {
        int inner = config.integer("intermediate_size", 1, MAX_WIDTH);
        boolean bias = family.has(Trait.FEED_FORWARD_BIAS_FIELD) && config.flag("mlp_bias", false);
        return new FeedForward(inner, activation(), bias, "", "", "");
    }

    private Activation activation() {
        if (family.has(Trait.HIDDEN_ACTIVATION)) {
            return activation("hidden_activation", ACTIVATIONS);
        }
        if (!family.has(Trait.GELU_IS_TANH)) {
            return activation("hidden_act", ACTIVATIONS);
        }
        Map<String, Activation> activations = new TreeMap<>(ACTIVATIONS);
        activations.put("gelu", Activation.GELU_TANH);
        Activation activation = activation("hidden_act", activations);
        if (config.has("hidden_activation")
                && activation("hidden_activation", ACTIVATIONS) != activation) {
            throw config.unreadable("hidden_activation", "is another one than hidden_act");
        }
        return activation;
    }

    private Activation activation(String field, Map<String, Activation> activations) {
        String name = config.text(field).orElseThrow(() -> config.unreadable(field, "is missing"));
        Activation activation = activations.get(name);
        if (activation == null) {
            throw config.unsupported(
                    field,
                    "'%s': expected one of %s"
                            .formatted(name, activations.keySet().stream().sorted().toList()));
        }
        return activation;
    }

    private LayerPlan layer(
            int layer,
            LayerKinds kinds,
            Attention a,
            FeedForward f,
            Optional<Mixtures> mixtures,
            float epsilon) {
        boolean other = family.rotaries() == Rotaries.BY_LAYER_TYPE && kinds.isSliding(layer);
        Attention attention =
                new Attention(
                        a.heads(),
                        a.keyValueHeads(),
                        a.headSize(),
                        a.scale(),
                        kinds.window(layer),
                        a.queryKeyValueBias(),
                        a.outputBias(),
                        names.of(Role.QUERY, layer),
                        names.of(Role.KEY, layer),
                        names.of(Role.VALUE, layer),
                        names.of(Role.OUTPUT, layer),
                        a.softCap(),
                        kinds.isRotated(layer) ? (other ? 1 : 0) : Attention.NO_ROTARY,
                        names.of(Role.QUERY_NORM, layer),
                        names.of(Role.KEY_NORM, layer),
                        a.wholeProjectionNorms());
        return new LayerPlan(
                attention,
                mixtures.filter(m -> m.isMixture(layer))
                        .map(m -> experts(layer, f, m))
                        .orElseGet(() -> network(layer, f)),
                names.of(Role.INPUT_NORM, layer),
                names.of(Role.FEED_FORWARD_NORM, layer),
                epsilon,
                names.of(Role.ATTENTION_OUTPUT_NORM, layer),
                names.of(Role.FEED_FORWARD_OUTPUT_NORM, layer));
    }

    private FeedForward network(int layer, FeedForward f) {
        return new FeedForward(
                f.intermediateSize(),
                f.activation(),
                f.bias(),
                names.of(Role.GATE, layer),
                names.of(Role.UP, layer),
                names.of(Role.DOWN, layer));
    }

    private FeedForward experts(int layer, FeedForward f, Mixtures mixtures) {
        return new FeedForward(
                mixtures.intermediateSize(),
                f.activation(),
                f.bias(),
                names.of(Role.EXPERT_GATE, layer),
                names.of(Role.EXPERT_UP, layer),
                names.of(Role.EXPERT_DOWN, layer),
                mixtures.mixture(names.of(Role.ROUTER, layer)));
    }
}
