package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// The `config.json` of a tied model that has got a head of its own.
final class UntiedConfiguration {

    private static final String TIED = "tie_word_embeddings";

    private UntiedConfiguration() {}

    /// @param folder that has the tied model's
    /// @param plan that the changed one has to give
    static byte[] of(Path folder, ModelPlan plan) {
        Path file = folder.resolve(ModelFiles.CONFIG);
        ObjectNode config = QuantizationConfig.without(StrictJson.object(file)).deepCopy();
        config.put(TIED, false);
        if (config.get("text_config") instanceof ObjectNode text) {
            text.put(TIED, false);
        }
        if (!Digests.plan(ModelPlans.of(config, file.toString())).equals(Digests.plan(plan))) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: with '%s' false it gives another layer plan".formatted(file, TIED));
        }
        return bytes(config);
    }

    private static byte[] bytes(JsonNode config) {
        try {
            // Fields keep their order; lines end alike on every system.
            return (StrictJson.MAPPER.writeValueAsString(config) + "\n")
                    .getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
