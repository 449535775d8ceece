package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.evaluate.ComparisonReport;

/// One line of the table: how large, how far from the float model, how fast.
///
/// @param plain the recipe without its calibration, or the name of a file
/// @param method of calibration; empty: none; null: not a recipe of ours
/// @param tokensPerSecond decoded, one sequence
record CompareRow(String plain, String method, Size size, Figures report, double tokensPerSecond) {

    /// @param bytes of all weights, scales included
    record Size(long bytes, double bitsPerWeight) {}

    /// Of a report, what the table shows.
    record Figures(
            long positions,
            double quantizedPerplexity,
            double baselinePerplexity,
            double meanDivergence,
            double divergence999,
            double top1Agreement) {

        static Figures of(ComparisonReport report) {
            return new Figures(
                    report.positions(),
                    report.quantizedPerplexity(),
                    report.baselinePerplexity(),
                    report.meanDivergence(),
                    report.divergence999(),
                    report.top1Agreement());
        }

        /// Quantized over baseline: 1 is no loss.
        double perplexityRatio() {
            return quantizedPerplexity / baselinePerplexity;
        }
    }

    /// The recipe, or the name of a file.
    String name() {
        return method == null || method.isEmpty() ? plain : plain + " " + method;
    }

    static Size size(Model candidate, SourceModel source) {
        long bytes =
                switch (candidate) {
                    case Artifact artifact -> artifact.manifest().statistics().bytes();
                    case SourceModel other -> other.weightBytes();
                    default ->
                            throw new IllegalArgumentException("neither an artifact nor a source");
                };
        return size(bytes, source);
    }

    /// Per weight of the source: a model that got a head of its own has more than that.
    static Size size(long bytes, SourceModel source) {
        long parameters = source.plannedTensors().stream().mapToLong(PlannedTensor::elements).sum();
        return new Size(bytes, 8.0 * bytes / parameters);
    }

    ObjectNode json() {
        return Json.object()
                .put("name", name())
                .put("recipe", plain)
                .put("calibration", method)
                .put("bytes", size.bytes())
                .put("bits_per_weight", size.bitsPerWeight())
                .put("perplexity", report.quantizedPerplexity())
                .put("baseline_perplexity", report.baselinePerplexity())
                .put("perplexity_ratio", report.perplexityRatio())
                .put("mean_kl_divergence", report.meanDivergence())
                .put("kl_divergence_999", report.divergence999())
                .put("top_1_agreement", report.top1Agreement())
                .put("positions", report.positions())
                .put("tokens_per_second", tokensPerSecond);
    }

    /// Reads what [#json] writes.
    static CompareRow of(JsonNode json) {
        return new CompareRow(
                json.path("recipe").textValue(),
                json.path("calibration").textValue(),
                new Size(json.path("bytes").longValue(), json.path("bits_per_weight").asDouble()),
                new Figures(
                        json.path("positions").longValue(),
                        json.path("perplexity").asDouble(),
                        json.path("baseline_perplexity").asDouble(),
                        json.path("mean_kl_divergence").asDouble(),
                        json.path("kl_divergence_999").asDouble(),
                        json.path("top_1_agreement").asDouble()),
                json.path("tokens_per_second").asDouble());
    }
}
