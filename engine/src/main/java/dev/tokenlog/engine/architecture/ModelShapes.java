package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/// Sizes of well-known models, from the `config.json` that each was published with (`shapes.json`
/// beside this class, which programs outside of Java read as well): for measurements that need a
/// model of this size and not what it says.
public final class ModelShapes {

    private static final String FILE = "shapes.json";
    private static final int CONTEXT = 4096;

    private ModelShapes() {}

    /// In the order of the file: smaller ones first.
    public static List<String> labels() {
        List<String> labels = new ArrayList<>();
        all().fieldNames().forEachRemaining(labels::add);
        return labels;
    }

    /// A `config.json` of the Llama family, with a context of 4,096.
    ///
    /// @throws IllegalArgumentException if there is no such shape
    public static ObjectNode config(String label) {
        JsonNode sizes = all().get(label);
        if (sizes == null) {
            throw new IllegalArgumentException(label + ": expected one of " + labels());
        }
        ObjectNode config = sizes.deepCopy();
        config.put("model_type", "llama");
        config.put("max_position_embeddings", CONTEXT);
        config.put("rms_norm_eps", 1e-5);
        config.put("rope_theta", 10000.0);
        config.put("hidden_act", "silu");
        return config;
    }

    private static JsonNode all() {
        try (InputStream file = ModelShapes.class.getResourceAsStream(FILE)) {
            return StrictJson.MAPPER.readTree(file);
        } catch (IOException e) {
            throw new UncheckedIOException(FILE, e);
        }
    }
}
