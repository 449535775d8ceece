package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.Family.Trait;
import java.util.Optional;

/// Which layers of a model are mixtures of experts, and what these are like.
final class Mixtures {

    private static final String EXPERTS = "num_local_experts";
    private static final String EXPERTS_ALIAS = "num_experts";
    private static final String CHOSEN = "num_experts_per_tok";
    private static final String STEP = "decoder_sparse_step";
    private static final String DENSE_LAYERS = "mlp_only_layers";

    private static final int MAX_EXPERTS = 4096;

    /// Experts of all layers together: a configuration of a few bytes must not ask for millions of
    /// tensors.
    private static final int MAX_ALL_EXPERTS = 1 << 15;

    private final ConfigFields config;
    private final boolean[] mixed;
    private final int experts;
    private final int chosen;
    private final boolean normalized;
    private final int intermediateSize;

    private Mixtures(ConfigFields config, Family family, int layers, int maxWidth) {
        this.config = config;
        boolean some = family.has(Trait.SOME_MIXTURES);
        this.experts = experts(layers);
        this.chosen = config.integer(CHOSEN, 1, experts);
        this.normalized = !some || config.flag("norm_topk_prob", false);
        this.intermediateSize =
                config.integer(some ? "moe_intermediate_size" : "intermediate_size", 1, maxWidth);
        this.mixed = new boolean[layers];
        int step = some ? config.integer(STEP, 1, Integer.MAX_VALUE) : 1;
        for (int layer = 0; layer < layers; layer++) {
            mixed[layer] = (layer + 1) % step == 0;
        }
        if (some) {
            config.any(DENSE_LAYERS).ifPresent(this::except);
        }
    }

    /// @return empty for a family without mixtures
    static Optional<Mixtures> read(ConfigFields config, Family family, int layers, int maxWidth) {
        return family.has(Trait.MIXTURE)
                ? Optional.of(new Mixtures(config, family, layers, maxWidth))
                : Optional.empty();
    }

    /// The field has two names, which a configuration may use alike.
    private int experts(int layers) {
        int named = config.integer(EXPERTS, 1, MAX_EXPERTS);
        int found = config.integer(EXPERTS_ALIAS, 1, MAX_EXPERTS, named);
        if (config.states(EXPERTS) && found != named) {
            throw config.unreadable(EXPERTS_ALIAS, found + " beside " + named + " in " + EXPERTS);
        }
        if ((long) found * layers > MAX_ALL_EXPERTS) {
            throw config.unsupported(
                    config.states(EXPERTS) ? EXPERTS : EXPERTS_ALIAS,
                    "%d in each of %d layers; the limit is %d together"
                            .formatted(found, layers, MAX_ALL_EXPERTS));
        }
        return found;
    }

    private void except(JsonNode layers) {
        if (!layers.isArray()) {
            throw config.unreadable(DENSE_LAYERS, "expected a list of layers");
        }
        for (JsonNode layer : layers) {
            if (!layer.isInt() || layer.intValue() < 0 || layer.intValue() >= mixed.length) {
                throw config.unreadable(
                        DENSE_LAYERS,
                        "expected layers from 0 to %d, found %s"
                                .formatted(mixed.length - 1, ConfigFields.shown(layer)));
            }
            mixed[layer.intValue()] = false;
        }
    }

    boolean isMixture(int layer) {
        return mixed[layer];
    }

    /// Of one expert.
    int intermediateSize() {
        return intermediateSize;
    }

    ModelPlan.Mixture mixture(String routerTensor) {
        return new ModelPlan.Mixture(experts, chosen, normalized, routerTensor);
    }
}
