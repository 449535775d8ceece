package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.quantize.GroupCode;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// Puts a manifest together when all tensors are done.
final class ManifestBuilder {

    private ManifestBuilder() {}

    /// @param plan of what was quantized
    static Manifest build(
            SourceModel source,
            ModelPlan plan,
            Recipe recipe,
            Converter.Origin origin,
            SourceFiles files,
            List<Manifest.Weight> weights) {
        String weightsDigest = Digests.weights(weights);
        String planSha256 = Digests.plan(plan);
        return new Manifest(
                ManifestFile.FORMAT_VERSION,
                model(origin.name(), plan),
                architecture(plan),
                quantization(recipe),
                weights,
                source.skippedTensors(),
                files.small(),
                new Manifest.Source(
                        origin.repository(),
                        origin.revision(),
                        source.dataType(),
                        Converter.sourceBytes(source),
                        files.all()),
                new Manifest.RecipeEntry(
                        recipe.canonical(),
                        recipe.code().label(),
                        recipe.groupSize(),
                        recipe.embeddingCode().label(),
                        recipe.scales().label(),
                        Converter.ENCODER_VERSION),
                statistics(source, plan, weights),
                weightsDigest,
                planSha256,
                Digests.model(weightsDigest, planSha256, files.small()),
                Map.of("producer", "tokenlog"));
    }

    private static Manifest.Model model(String name, ModelPlan plan) {
        Attention attention = plan.layers().getFirst().attention();
        return new Manifest.Model(
                name,
                plan.family(),
                plan.contextLength(),
                plan.hiddenSize(),
                plan.layers().size(),
                attention.heads(),
                attention.keyValueHeads(),
                attention.headSize(),
                plan.layers().getFirst().feedForward().intermediateSize(),
                plan.vocabularySize(),
                plan.tiedEmbeddings());
    }

    private static Manifest.Architecture architecture(ModelPlan plan) {
        Attention attention = plan.layers().getFirst().attention();
        FeedForward feedForward = plan.layers().getFirst().feedForward();
        int groups = attention.keyValueHeads();
        String variant = groups == attention.heads() ? "mha" : groups == 1 ? "mqa" : "gqa";
        return new Manifest.Architecture(
                List.of(plan.family()),
                plan.contextLength(),
                plan.hiddenSize(),
                feedForward.intermediateSize(),
                plan.layers().size(),
                plan.vocabularySize(),
                new Manifest.AttentionShape(
                        variant,
                        attention.heads(),
                        groups,
                        attention.headSize(),
                        attention.window() == 0 ? null : attention.window()),
                feedForward.activation().name().toLowerCase(Locale.ROOT),
                "rmsnorm",
                Double.parseDouble(Float.toString(plan.finalNormEpsilon())),
                experts(plan));
    }

    private static Manifest.Experts experts(ModelPlan plan) {
        List<FeedForward> mixtures =
                plan.layers().stream()
                        .map(ModelPlan.LayerPlan::feedForward)
                        .filter(feedForward -> feedForward.mixture() != null)
                        .toList();
        if (mixtures.isEmpty()) {
            return null;
        }
        FeedForward first = mixtures.getFirst();
        return new Manifest.Experts(
                mixtures.size(),
                first.mixture().experts(),
                first.mixture().chosen(),
                first.intermediateSize());
    }

    private static Manifest.Quantization quantization(Recipe recipe) {
        return new Manifest.Quantization(
                recipe.code().label(),
                recipe.code().bits(),
                recipe.groupSize() == Recipe.PER_ROW ? "per_row" : "per_group",
                recipe.groupSize(),
                !recipe.code().hasZeroPoints(),
                "F16",
                formula(recipe),
                recipe.embeddingCode().label(),
                GroupCode.of(recipe.embeddingCode()).formula(recipe.scales()));
    }

    /// How codes are read, and how they were found: calibrated ones are not what rounding gives.
    private static String formula(Recipe recipe) {
        String rounded = GroupCode.of(recipe.code()).formula(recipe.scales());
        if (recipe.lossySparsity() != 0) {
            rounded +=
                    "; of rows whose %d percent of least magnitude are 0"
                            .formatted(recipe.lossySparsity());
        }
        return recipe.rotation() == null
                ? found(recipe, rounded)
                : "%s; of the model after rotation=%s"
                        .formatted(found(recipe, rounded), recipe.rotation().canonical());
    }

    private static String found(Recipe recipe, String rounded) {
        Calibration calibration = recipe.calibration();
        if (calibration == null) {
            return rounded;
        }
        return "codes, scales and zero points of calibration=%s%s; without it: %s"
                .formatted(
                        calibration.canonical(),
                        calibration.bits() == null
                                ? ""
                                : ", each matrix with the code that its entry names",
                        rounded);
    }

    private static Manifest.Statistics statistics(
            SourceModel source, ModelPlan plan, List<Manifest.Weight> weights) {
        long parameters = PlannedTensor.of(plan).stream().mapToLong(PlannedTensor::elements).sum();
        long bytes = weights.stream().mapToLong(Manifest.Weight::bytes).sum();
        return new Manifest.Statistics(
                parameters,
                bytes,
                8.0 * bytes / parameters,
                4.0 * parameters / bytes,
                (double) Converter.sourceBytes(source) / bytes);
    }
}
