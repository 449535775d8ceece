package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.GgufArchitecture.Trait;
import dev.tokenlog.engine.format.gguf.GgufFile;
import dev.tokenlog.engine.format.gguf.GgufMetadata;
import dev.tokenlog.engine.format.gguf.GgufTensor;
import dev.tokenlog.engine.format.gguf.GgufValue;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// The metadata of a GGUF file in the dialect of `config.json`, so that what a model computes is
/// understood in one place. The fields come in a fixed order; equal files give equal bytes. A key
/// of the architecture that nobody has read is refused by its name.
///
/// What llama.cpp's keys leave open is filled as llama.cpp itself does it: the scale of scores of
/// Gemma 2 and 3 is that of the head size, but of `embedding_length / head_count` in their largest
/// sizes, known by 46 and 62 layers (`src/models/gemma2.cpp`, `gemma3.cpp`).
final class GgufConfiguration {

    private static final int MAX = 1 << 28;
    private static final int MAX_LAYERS = 1024;
    private static final int LARGEST_GEMMA_2 = 46;
    private static final int LARGEST_GEMMA_3 = 62;

    /// Keys of an architecture that change nothing here.
    private static final Set<String> NOTES = Set.of("tensor_data_layout");

    private static final String FACTORS = "rope_freqs.weight";
    private static final String LONG_FACTORS = "rope_factors_long.weight";
    private static final String SHORT_FACTORS = "rope_factors_short.weight";

    private final GgufFile file;
    private final GgufMetadata metadata;
    private final GgufArchitecture architecture;
    private final ObjectNode config = JsonNodeFactory.instance.objectNode();
    private final Set<String> readTensors = new TreeSet<>();

    private GgufConfiguration(GgufFile file, GgufArchitecture architecture) {
        this.file = file;
        this.metadata = file.metadata();
        this.architecture = architecture;
    }

    /// What a file says about its model.
    ///
    /// @param config as in a hub repository
    /// @param readTensors tensors that are no weights and have become part of it
    record Translated(
            GgufArchitecture architecture,
            ObjectNode config,
            int experts,
            Set<String> readTensors) {}

    /// @throws EngineException `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming file and key
    static Translated of(GgufFile file) {
        GgufMetadata metadata = file.metadata();
        refuseOtherThanWholeModels(metadata);
        String name =
                metadata.text("general.architecture")
                        .orElseThrow(
                                () -> metadata.unreadable("general.architecture", "is missing"));
        boolean experts = metadata.integer(name + ".expert_count", 0, MAX).orElse(0) > 0;
        boolean window = metadata.has(name + ".attention.sliding_window");
        GgufArchitecture architecture =
                GgufArchitecture.of(name, experts, window)
                        .orElseThrow(() ->
                                metadata.unsupported(
                                        "general.architecture",
                                        "'%s': expected one of %s"
                                                .formatted(name, GgufArchitecture.names())));
        GgufConfiguration translation = new GgufConfiguration(file, architecture);
        translation.translate();
        translation.refuseUnreadKeys();
        return new Translated(
                architecture,
                translation.config,
                metadata.integer(name + ".expert_count", 0, MAX).orElse(0),
                translation.readTensors);
    }

    private static void refuseOtherThanWholeModels(GgufMetadata metadata) {
        metadata.text("general.type")
                .filter(type -> !type.equals("model"))
                .ifPresent(type -> {
                    throw metadata.unsupported("general.type", "'" + type + "' is no model");
                });
        if (metadata.integer("split.count", 0, MAX).orElse(0) > 1) {
            throw metadata.unsupported(
                    "split.count",
                    "one part of several; put them together with gguf-split --merge");
        }
    }

    private String key(String suffix) {
        return architecture.name() + "." + suffix;
    }

    private int required(String suffix) {
        return metadata.integer(key(suffix), 1, MAX)
                .orElseThrow(() -> metadata.unreadable(key(suffix), "is missing"));
    }

    private void translate() {
        config.putArray("architectures").add(architecture.architecture());
        config.put("model_type", architecture.modelType());
        int hidden = required("embedding_length");
        int layers =
                metadata.integer(key("block_count"), 1, MAX_LAYERS)
                        .orElseThrow(() -> metadata.unreadable(key("block_count"), "is missing"));
        int heads = required("attention.head_count");
        int headSize = headSize(hidden, heads);
        config.put("vocab_size", vocabulary());
        config.put("hidden_size", hidden);
        config.put("intermediate_size", required("feed_forward_length"));
        config.put("num_hidden_layers", layers);
        config.put("num_attention_heads", heads);
        config.put(
                "num_key_value_heads",
                metadata.integer(key("attention.head_count_kv"), 1, MAX).orElse(heads));
        config.put("head_dim", headSize);
        config.put("max_position_embeddings", required("context_length"));
        config.put(
                "rms_norm_eps",
                metadata.number(key("attention.layer_norm_rms_epsilon"))
                        .orElseThrow(() ->
                                metadata.unreadable(
                                        key("attention.layer_norm_rms_epsilon"), "is missing")));
        config.put("tie_word_embeddings", file.tensor("output.weight").isEmpty());
        biases();
        fields();
        switches();
        windows(layers);
        queryScalar(layers, hidden, heads, headSize);
        rotary(headSize);
    }

    private int headSize(int hidden, int heads) {
        int usual = hidden / heads;
        int keys = metadata.integer(key("attention.key_length"), 1, MAX).orElse(usual);
        int values = metadata.integer(key("attention.value_length"), 1, MAX).orElse(usual);
        if (keys != values) {
            throw metadata.unsupported(
                    key("attention.value_length"), values + " beside keys of " + keys);
        }
        return keys;
    }

    /// As many as the embedding has rows; where a key says it as well, the shapes must agree.
    private int vocabulary() {
        Optional<Integer> said = metadata.integer(key("vocab_size"), 1, MAX);
        return said.orElseGet(() ->
                file.tensor("token_embd.weight")
                        .map(tensor -> (int) Math.min(tensor.shape().getFirst(), MAX))
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.SOURCE_UNREADABLE,
                                        file.path() + ": tensor 'token_embd.weight' is missing")));
    }

    private void biases() {
        if (architecture.has(Trait.BIASES_BY_TENSORS)) {
            config.put("attention_bias", file.tensor("blk.0.attn_q.bias").isPresent());
            if (file.tensor("blk.0.ffn_gate.bias").isPresent()) {
                config.put("mlp_bias", true);
            }
        }
    }

    /// What is translated as it is, and what holds where no key says otherwise.
    private void fields() {
        for (String suffix : new TreeSet<>(architecture.fields().keySet())) {
            String field = architecture.fields().get(suffix);
            Optional<GgufValue> value = metadata.any(key(suffix));
            if (value.isPresent()) {
                switch (value.get()) {
                    case GgufValue.Whole whole -> config.put(field, whole.value());
                    case GgufValue.Real _ ->
                            config.put(field, metadata.number(key(suffix)).orElseThrow());
                    case GgufValue.Flag flag -> config.put(field, flag.value());
                    case GgufValue.Text _, GgufValue.Array _ ->
                            throw metadata.unreadable(
                                    key(suffix),
                                    "expected a number, found " + GgufMetadata.shown(value.get()));
                }
            }
        }
        for (String field : new TreeSet<>(architecture.constants().keySet())) {
            if (!config.has(field)) {
                config.set(field, plain(architecture.constants().get(field)));
            }
        }
    }

    /// Flags that files have although what they say is always the same; false asks for another
    /// model.
    private void switches() {
        // llama.cpp leaves out a Granite's rotation where the second one is false.
        for (String suffix : List.of("attention.causal", "rope.scaling.finetuned")) {
            boolean set = metadata.flag(key(suffix)).orElse(true);
            boolean matters = !suffix.startsWith("rope") || architecture.name().equals("granite");
            if (!set && matters) {
                throw metadata.unsupported(
                        key(suffix), "false asks for what the engine does not do");
            }
        }
    }

    private static JsonNode plain(Object value) {
        JsonNodeFactory nodes = JsonNodeFactory.instance;
        return switch (value) {
            case Integer number -> nodes.numberNode(number);
            case Double number -> nodes.numberNode(number);
            case Boolean flag -> nodes.booleanNode(flag);
            case String text -> nodes.textNode(text);
            default -> throw new IllegalStateException("a constant of " + value.getClass());
        };
    }

    /// Phi-3 files say 0 for no window.
    private void windows(int layers) {
        if (config.path("sliding_window").asInt(-1) == 0) {
            config.remove("sliding_window");
        }
        if (!architecture.has(Trait.WINDOW_PATTERN)) {
            return;
        }
        String key = key("attention.sliding_window_pattern");
        int usual = usualPeriod(architecture);
        ArrayNode types = JsonNodeFactory.instance.arrayNode();
        if (metadata.any(key).orElse(null) instanceof GgufValue.Array) {
            int[] windowed = metadata.integers(key, layers).orElseThrow();
            if (windowed.length != layers) {
                throw metadata.unreadable(key, "expected one element for each layer");
            }
            for (int flag : windowed) {
                types.add(layerType(flag != 0));
            }
        } else {
            int period = metadata.integer(key, 1, MAX).orElse(usual);
            for (int layer = 0; layer < layers; layer++) {
                types.add(layerType(layer % period < period - 1));
            }
        }
        if (config.has("sliding_window")) {
            config.set("layer_types", types);
        } else {
            ArrayNode whole = JsonNodeFactory.instance.arrayNode();
            types.forEach(_ -> whole.add(layerType(false)));
            config.set("layer_types", whole);
        }
    }

    /// Of layers, of which the last one sees everything, where no key says it.
    static int usualPeriod(GgufArchitecture architecture) {
        return architecture.name().equals("gemma2") ? 2 : 6;
    }

    private static String layerType(boolean windowed) {
        return windowed ? "sliding_attention" : "full_attention";
    }

    private void queryScalar(int layers, int hidden, int heads, int headSize) {
        if (architecture.has(Trait.QUERY_SCALAR)) {
            int largest = architecture.name().equals("gemma2") ? LARGEST_GEMMA_2 : LARGEST_GEMMA_3;
            config.put("query_pre_attn_scalar", layers == largest ? hidden / heads : headSize);
        }
    }

    private void rotary(int headSize) {
        config.put("rope_theta", metadata.number(key("rope.freq_base")).orElse(10000.0));
        int dimensions = metadata.integer(key("rope.dimension_count"), 2, MAX).orElse(headSize);
        if (dimensions != headSize) {
            if (!architecture.has(Trait.PARTIAL_ROTARY) || dimensions > headSize) {
                throw metadata.unsupported(
                        key("rope.dimension_count"),
                        dimensions + ": heads of " + headSize + " are rotated as a whole");
            }
            config.put("partial_rotary_factor", (double) dimensions / headSize);
        }
        if (architecture.has(Trait.PARTIAL_ROTARY)) {
            // Phi-3: the hub's configurations always have it, whether positions are scaled or not.
            metadata.integer(key("rope.scaling.original_context_length"), 1, MAX)
                    .ifPresent(
                            original -> config.put("original_max_position_embeddings", original));
        }
        if (file.tensor(LONG_FACTORS).isPresent() || file.tensor(SHORT_FACTORS).isPresent()) {
            config.set("rope_scaling", longFactors(dimensions));
        } else if (file.tensor(FACTORS).isPresent()) {
            config.set("rope_scaling", factors(dimensions));
        } else {
            scaling();
        }
    }

    /// Two sets of factors, for short and for long contexts.
    private ObjectNode longFactors(int dimensions) {
        if (!config.has("original_max_position_embeddings")) {
            throw metadata.unreadable(
                    key("rope.scaling.original_context_length"),
                    "is missing beside " + LONG_FACTORS);
        }
        int original = config.get("original_max_position_embeddings").intValue();
        ObjectNode scaling = JsonNodeFactory.instance.objectNode();
        scaling.put("rope_type", "longrope");
        scaling.put("type", "longrope");
        scaling.set("short_factor", vector(SHORT_FACTORS, dimensions / 2));
        scaling.set("long_factor", vector(LONG_FACTORS, dimensions / 2));
        requireScalingType("longrope");
        // llama.cpp takes 1 where the key is missing.
        scaling.put(
                "attention_factor",
                attentionFactor(original, config.get("max_position_embeddings").intValue()));
        return scaling;
    }

    /// Files hold the factor in 32 bits; where it is that of the contexts' lengths, it is taken
    /// from them as exactly as a configuration of the hub has it.
    private double attentionFactor(int original, int context) {
        double said = metadata.number(key("rope.scaling.attn_factor")).orElse(1.0);
        double scale = (double) context / original;
        double usual =
                scale <= 1
                        ? 1
                        : StrictMath.sqrt(1 + StrictMath.log(scale) / StrictMath.log(original));
        return (float) usual == (float) said ? usual : said;
    }

    /// One factor per pair, whatever made it (`llama3` in the files that there are): a `longrope`
    /// whose two sets are the same.
    private ObjectNode factors(int dimensions) {
        ArrayNode factors = vector(FACTORS, dimensions / 2);
        requireScalingType("none");
        ObjectNode scaling = JsonNodeFactory.instance.objectNode();
        scaling.put("rope_type", "longrope");
        scaling.set("short_factor", factors);
        scaling.set("long_factor", factors);
        scaling.put(
                "original_max_position_embeddings",
                config.get("max_position_embeddings").intValue());
        scaling.put("attention_factor", 1.0);
        return scaling;
    }

    private void requireScalingType(String type) {
        String key = key("rope.scaling.type");
        metadata.text(key)
                .filter(found -> !found.equals(type))
                .ifPresent(found -> {
                    throw metadata.unsupported(
                            key, "'" + found + "' beside a tensor of rotary factors");
                });
    }

    private void scaling() {
        String key = key("rope.scaling.type");
        String type = metadata.text(key).orElse("none");
        switch (type) {
            case "none" -> {}
            case "linear" -> {
                ObjectNode scaling = config.putObject("rope_scaling");
                scaling.put("rope_type", "linear").put("factor", factor());
            }
            case "yarn" -> yarn();
            default -> throw metadata.unsupported(key, "'" + type + "'");
        }
    }

    private double factor() {
        String key = key("rope.scaling.factor");
        return metadata.number(key).orElseThrow(() -> metadata.unreadable(key, "is missing"));
    }

    private void yarn() {
        ObjectNode scaling = config.putObject("rope_scaling");
        scaling.put("rope_type", "yarn").put("factor", factor());
        String original = key("rope.scaling.original_context_length");
        scaling.put(
                "original_max_position_embeddings",
                metadata.integer(original, 1, MAX)
                        .orElse(config.get("max_position_embeddings").intValue()));
        metadata.number(key("rope.scaling.yarn_beta_fast"))
                .ifPresent(value -> scaling.put("beta_fast", value));
        metadata.number(key("rope.scaling.yarn_beta_slow"))
                .ifPresent(value -> scaling.put("beta_slow", value));
        // llama.cpp multiplies by 1 + 0.1 ln(factor) by itself, as the hub's rule does.
        for (String suffix : List.of("rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor")) {
            neutral(suffix, 1);
        }
        neutral("rope.scaling.yarn_ext_factor", 1);
    }

    /// A number that asks for something only where it is another one.
    private void neutral(String suffix, double value) {
        metadata.number(key(suffix))
                .filter(found -> found != value)
                .ifPresent(found -> {
                    throw metadata.unsupported(key(suffix), found + ": expected " + value);
                });
    }

    private ArrayNode vector(String tensor, int length) {
        GgufTensor found =
                file.tensor(tensor)
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.SOURCE_UNREADABLE,
                                        file.path() + ": tensor '" + tensor + "' is missing"));
        if (!found.shape().equals(List.of((long) length))) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: tensor '%s': shape %s, expected [%d]"
                            .formatted(file.path(), tensor, found.shape(), length));
        }
        readTensors.add(tensor);
        ArrayNode numbers = JsonNodeFactory.instance.arrayNode();
        for (float number : GgufWeights.vector(file, found)) {
            numbers.add(Double.parseDouble(Float.toString(number)));
        }
        return numbers;
    }

    private void refuseUnreadKeys() {
        String prefix = architecture.name() + ".";
        for (String key : metadata.unread()) {
            if (key.startsWith(prefix) && !NOTES.contains(key.substring(prefix.length()))) {
                if (!metadata.isOff(key)) {
                    throw metadata.unsupported(
                            key,
                            GgufMetadata.shown(metadata.values().get(key))
                                    + " asks for what the engine does not do");
                }
            }
        }
    }
}
