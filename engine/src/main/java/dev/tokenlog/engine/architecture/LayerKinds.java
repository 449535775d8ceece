package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.Family.Rotaries;
import dev.tokenlog.engine.architecture.Family.Windows;
import java.util.List;

/// Which layers of a model see a window of positions only, and which do not rotate positions.
final class LayerKinds {

    private static final String WINDOW = "sliding_window";
    private static final String TYPES = "layer_types";

    private final ConfigFields config;
    private final Family family;
    private final boolean[] rotated;
    private final boolean[] sliding;
    private final int window;

    private LayerKinds(ConfigFields config, Family family, int layers) {
        this.config = config;
        this.family = family;
        this.rotated = rotated(layers);
        this.window = window();
        this.sliding = sliding(layers);
    }

    static LayerKinds read(ConfigFields config, Family family, int layers) {
        return new LayerKinds(config, family, layers);
    }

    /// Positions that the layer sees, itself included; 0: all.
    int window(int layer) {
        return sliding[layer] ? window : 0;
    }

    boolean isSliding(int layer) {
        return sliding[layer];
    }

    boolean isRotated(int layer) {
        return rotated[layer];
    }

    private boolean[] rotated(int layers) {
        boolean[] rotated = new boolean[layers];
        boolean some = family.rotaries() == Rotaries.SOME_LAYERS;
        int interval = some ? config.integer("no_rope_layer_interval", 1, Integer.MAX_VALUE) : 0;
        JsonNode list = some ? config.any("no_rope_layers").orElse(null) : null;
        if (list != null && (!list.isArray() || list.size() != layers)) {
            throw config.unreadable(
                    "no_rope_layers", "expected a list of " + layers + " times 0 or 1");
        }
        for (int layer = 0; layer < layers; layer++) {
            if (list == null) {
                rotated[layer] = !some || (layer + 1) % interval != 0;
            } else {
                int value = list.get(layer).asInt(-1);
                if (!list.get(layer).isInt() || value < 0 || value > 1) {
                    throw config.unreadable(
                            "no_rope_layers",
                            "expected 0 or 1, found " + ConfigFields.shown(list.get(layer)));
                }
                // In spite of the field's name, 1 stands for a layer that rotates.
                rotated[layer] = value == 1;
            }
        }
        return rotated;
    }

    private int window() {
        if (family.windows() == Windows.NONE) {
            return 0;
        }
        boolean optional =
                family.windows() == Windows.EVERY_LAYER_IF_USED
                        || family.windows() == Windows.LATE_LAYERS
                        || family.windows() == Windows.LAYERS_WITHOUT_ROTARY;
        boolean used = !optional || config.flag("use_sliding_window", false);
        int found = config.integer(WINDOW, used ? 1 : 0, Integer.MAX_VALUE, 0);
        int alias = config.integer(WINDOW + "_size", 1, Integer.MAX_VALUE, found);
        if (alias != found) {
            throw config.unreadable(WINDOW + "_size", alias + " beside " + found + " in " + WINDOW);
        }
        return used ? found : 0;
    }

    private boolean[] sliding(int layers) {
        Windows rule = family.windows();
        boolean listed =
                rule != Windows.NONE
                        && rule != Windows.EVERY_LAYER
                        && rule != Windows.EVERY_LAYER_IF_USED;
        JsonNode types = config.any(TYPES).orElse(null);
        if (types != null && (!types.isArray() || types.size() != layers)) {
            throw config.unreadable(TYPES, "expected a list of " + layers + " types");
        }
        int pattern =
                rule == Windows.ALL_BUT_EACH_SIXTH
                        ? config.integer("sliding_window_pattern", 1, Integer.MAX_VALUE)
                        : 2;
        int first =
                rule == Windows.LATE_LAYERS
                        ? config.integer("max_window_layers", 0, Integer.MAX_VALUE)
                        : 0;
        boolean[] sliding = new boolean[layers];
        for (int layer = 0; layer < layers; layer++) {
            sliding[layer] =
                    types != null && listed
                            ? isSliding(types.get(layer))
                            : switch (rule) {
                                case NONE -> false;
                                case EVERY_LAYER, EVERY_LAYER_IF_USED -> window > 0;
                                case EVERY_OTHER_LAYER, ALL_BUT_EACH_SIXTH ->
                                        (layer + 1) % pattern != 0;
                                case LATE_LAYERS -> window > 0 && layer >= first;
                                case LAYERS_WITHOUT_ROTARY -> window > 0 && !rotated[layer];
                            };
            if (types != null && isSliding(types.get(layer)) != sliding[layer]) {
                throw config.unsupported(
                        TYPES,
                        "%s of layer %d: all layers of a %s are alike"
                                .formatted(types.get(layer), layer, family.modelType()));
            }
            if (sliding[layer] && window == 0) {
                throw config.unreadable(
                        WINDOW, "there is none, but layer " + layer + " slides a window");
            }
        }
        return sliding;
    }

    private boolean isSliding(JsonNode type) {
        List<String> known = List.of("full_attention", "sliding_attention");
        if (!known.contains(type.asText())) {
            throw config.unsupported(
                    TYPES, ConfigFields.shown(type) + ": expected one of " + known);
        }
        return type.asText().equals("sliding_attention");
    }
}
