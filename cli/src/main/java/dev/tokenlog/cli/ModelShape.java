package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// Sizes of well-known models, from the `config.json` that each was published with.
enum ModelShape {
    SMOLLM2_135M(576, 1536, 30, 9, 3, 49152, true),
    TINYLLAMA_1_1B(2048, 5632, 22, 32, 4, 32000, false),
    LLAMA_7B(4096, 11008, 32, 32, 32, 32000, false),
    MISTRAL_7B(4096, 14336, 32, 32, 8, 32000, false),
    LLAMA_8B(4096, 14336, 32, 32, 8, 128256, false);

    private static final int CONTEXT = 4096;

    private final int hidden;
    private final int intermediate;
    private final int layers;
    private final int heads;
    private final int keyValueHeads;
    private final int vocabulary;
    private final boolean tied;

    ModelShape(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int keyValueHeads,
            int vocabulary,
            boolean tied) {
        this.hidden = hidden;
        this.intermediate = intermediate;
        this.layers = layers;
        this.heads = heads;
        this.keyValueHeads = keyValueHeads;
        this.vocabulary = vocabulary;
        this.tied = tied;
    }

    static ModelShape of(String label) {
        return Arrays.stream(values())
                .filter(shape -> shape.label().equals(label))
                .findFirst()
                .orElseThrow(() ->
                        CommandFailure.usage(
                                "--shape %s: expected one of %s".formatted(label, labels())));
    }

    /// As on the command line: `tinyllama-1.1b`.
    String label() {
        return name().toLowerCase(Locale.ROOT)
                .replaceFirst("_(\\d)_(\\d)", "-$1.$2")
                .replace('_', '-');
    }

    static String labels() {
        return Arrays.stream(values()).map(ModelShape::label).collect(Collectors.joining(", "));
    }

    ModelPlan plan() {
        ObjectNode config = Json.object();
        config.put("model_type", "llama");
        config.put("hidden_size", hidden);
        config.put("intermediate_size", intermediate);
        config.put("num_hidden_layers", layers);
        config.put("num_attention_heads", heads);
        config.put("num_key_value_heads", keyValueHeads);
        config.put("vocab_size", vocabulary);
        config.put("tie_word_embeddings", tied);
        config.put("max_position_embeddings", CONTEXT);
        config.put("rms_norm_eps", 1e-5);
        config.put("rope_theta", 10000.0);
        config.put("hidden_act", "silu");
        return ModelPlans.of(config, label());
    }
}
