package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.evaluate.ComparisonReport;

/// One line of the table: how large, how far from the float model, how fast.
///
/// @param name the recipe, or the name of a file
/// @param tokensPerSecond decoded, one sequence
record CompareRow(String name, Size size, ComparisonReport report, double tokensPerSecond) {

    /// @param bytes of all weights, scales included
    record Size(long bytes, double bitsPerWeight) {}

    static Size bytes(Model candidate, SourceModel source) {
        long parameters = source.plannedTensors().stream().mapToLong(PlannedTensor::elements).sum();
        long bytes =
                switch (candidate) {
                    case Artifact artifact -> artifact.manifest().statistics().bytes();
                    case SourceModel other -> other.weightBytes();
                    default ->
                            throw new IllegalArgumentException("neither an artifact nor a source");
                };
        return new Size(bytes, 8.0 * bytes / parameters);
    }

    ObjectNode json() {
        return Json.object()
                .put("name", name)
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
}
