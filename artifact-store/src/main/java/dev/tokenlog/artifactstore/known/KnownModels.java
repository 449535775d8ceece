package dev.tokenlog.artifactstore.known;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.artifact.WeightSizes;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;

/// The models with a short name: rows of data. What is said of each is computed from its
/// configuration (`NAME.config.json` beside this class, without what the plan does not read).
public final class KnownModels {

    /// One row: the name, where the model is, and whether it asks for a licence.
    private record Row(String name, String repository, boolean gated) {}

    private static final List<Row> ROWS =
            List.of(
                    new Row("tinyllama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", false),
                    new Row("mistral-7b", "mistralai/Mistral-7B-v0.1", false),
                    new Row("mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3", false),
                    new Row("gemma-2b", "google/gemma-2b", true),
                    new Row("llama2-7b", "meta-llama/Llama-2-7b-hf", true),
                    new Row("phi-3.5-mini", "microsoft/Phi-3.5-mini-instruct", false));

    private KnownModels() {}

    /// In the order of the table.
    public static List<KnownModel> all() {
        return ROWS.stream().map(KnownModels::facts).toList();
    }

    public static List<String> names() {
        return ROWS.stream().map(Row::name).toList();
    }

    /// The place of a model by its short name.
    ///
    /// @param revision of it, or null
    public static Optional<HubId> find(String name, String revision) {
        return ROWS.stream()
                .filter(row -> row.name().equals(name))
                .findFirst()
                .map(row -> HubId.parse(row.repository(), revision));
    }

    private static KnownModel facts(Row row) {
        ModelPlan plan = plan(row.name());
        return new KnownModel(
                row.name(),
                HubId.parse(row.repository(), null),
                row.gated(),
                plan.family(),
                plan.contextLength(),
                WeightSizes.parameters(plan),
                new KnownModel.Sizes(
                        WeightSizes.bytes(plan, 1),
                        WeightSizes.bytes(plan, 2),
                        WeightSizes.bytes(plan, 4),
                        WeightSizes.bytes(plan, 8)));
    }

    static ModelPlan plan(String name) {
        String file = name + ".config.json";
        try (InputStream in = KnownModels.class.getResourceAsStream(file)) {
            JsonNode config = StrictJson.MAPPER.readTree(in);
            return ModelPlans.of(config, file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
