package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// `manifest.json` of an artifact: everything about the model except its numbers. Two conversions
/// of the same source by the same recipe and encoder write the same bytes, so there is no time and
/// no machine in it; those stand in the events.
///
/// @param formatVersion `2`
/// @param weights in the order of the layer plan
/// @param skipped tensors of the source that are no weights, with the reason
/// @param files configuration, tokenizer and template files, sorted by name
/// @param weightsDigest SHA-256, hex: see [Digests]
/// @param planSha256 of the canonical layer plan
/// @param modelDigest `sha256-` and 64 hex digits: the name of the artifact
/// @param metadata notes that mean nothing to a reader
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Manifest(
        String formatVersion,
        Model model,
        Architecture architecture,
        Quantization quantization,
        List<Weight> weights,
        List<SkippedTensor> skipped,
        List<FileEntry> files,
        Source source,
        RecipeEntry recipe,
        Statistics statistics,
        String weightsDigest,
        @JsonProperty("plan_sha256") String planSha256,
        String modelDigest,
        Map<String, String> metadata) {

    public Manifest {
        Objects.requireNonNull(weightsDigest, "weights_digest");
        Objects.requireNonNull(planSha256, "plan_sha256");
        Objects.requireNonNull(modelDigest, "model_digest");
        weights = List.copyOf(weights);
        skipped = List.copyOf(skipped);
        files = List.copyOf(files);
    }

    public record Model(
            String name,
            String family,
            int contextLength,
            int hiddenDim,
            int numLayers,
            int numHeads,
            int numKeyValueHeads,
            int headDim,
            int intermediateSize,
            int vocabSize,
            boolean tiedEmbeddings) {}

    /// What the model computes, in the words of a reader who does not know our layer plan.
    ///
    /// @param norm `rmsnorm`
    /// @param experts missing where no layer is a mixture of experts
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Architecture(
            List<String> families,
            int contextLength,
            int hiddenSize,
            int intermediateSize,
            int numLayers,
            int vocabSize,
            AttentionShape attention,
            String activation,
            String norm,
            double normEpsilon,
            Experts experts) {}

    /// @param layers that are mixtures of experts
    /// @param numExperts of each of them
    /// @param numExpertsPerToken that compute each token
    public record Experts(
            int layers, int numExperts, int numExpertsPerToken, int intermediateSize) {}

    /// @param variant `mha`, `gqa` or `mqa`: every head has keys of its own, groups share them, all
    ///   do
    /// @param kvGroups heads of keys and values
    /// @param windowSize positions that a token sees; missing: all
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record AttentionShape(
            String variant, int numHeads, int kvGroups, int headDim, Integer windowSize) {}

    /// @param scheme the number code of the layers' matrices
    /// @param granularity `per_group` or `per_row`
    /// @param formula how a value comes out of a code
    public record Quantization(
            String scheme,
            int bits,
            String granularity,
            int groupSize,
            boolean symmetric,
            String scaleDtype,
            String formula,
            String embeddingScheme,
            String embeddingFormula) {}

    /// One tensor.
    ///
    /// @param shape `[rows, columns]` of a matrix, `[length]` of a norm or bias
    /// @param bitWidth bits of a stored code; 32 for float
    /// @param dtype of the stored codes, as safetensors names it
    /// @param file of the artifact's folder
    /// @param q name in that file of the codes, or of the floats
    /// @param qScales name of the scales
    /// @param qZeroPoint name of the zero points; missing where the code is symmetric
    /// @param quantization `int4-g32`, `int8-row`, `f32`
    /// @param sha256 over codes, scales and zero points, one after the other
    /// @param bytes of codes, scales and zero points
    /// @param sourceDtype the type in the source, as its file names it: `BF16`, `Q4_K`
    /// @param takenOver of a source that has codes of its own: whether they were taken over as they
    ///   are; false where the values were decoded exactly, and quantized or kept. Missing: the
    ///   source is in float
    /// @param errors against the source; missing where the tensor is kept in float
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Weight(
            String name,
            List<Long> shape,
            int bitWidth,
            String dtype,
            String file,
            String q,
            String qScales,
            String qZeroPoint,
            String quantization,
            String sha256,
            long bytes,
            String sourceDtype,
            Boolean takenOver,
            Errors errors) {

        public Weight {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(dtype, "dtype");
            Objects.requireNonNull(file, "file");
            Objects.requireNonNull(quantization, "quantization");
            Objects.requireNonNull(sha256, "sha256");
            shape = List.copyOf(shape);
        }
    }

    /// Error of a tensor against its source, in double precision: see
    /// [dev.tokenlog.engine.quantize.ErrorMeasures].
    public record Errors(
            @JsonProperty("relative_l2") double relativeL2,
            double meanRelative,
            double max,
            double cosine) {}

    public record SkippedTensor(String name, String reason) {}

    public record FileEntry(String path, long bytes, String sha256) {

        public FileEntry {
            Objects.requireNonNull(path, "path");
            Objects.requireNonNull(sha256, "sha256");
        }
    }

    /// @param repository where the source came from: a hub id, or the name of the folder or file
    /// @param revision of the repository, where there is one
    /// @param dtype the type that most parameters have in the source
    /// @param files every file that was read
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Source(
            String repository, String revision, String dtype, long bytes, List<FileEntry> files) {}

    /// @param canonical the recipe in one line
    /// @param encoderVersion of the program that wrote the artifact: together they fix every byte
    public record RecipeEntry(
            String canonical,
            String code,
            int groupSize,
            String embeddingCode,
            String scales,
            String encoderVersion) {}

    /// @param parameters weights of the model, each counted once
    /// @param bytes of all weights as stored, scales included
    /// @param bitsPerWeight `8 * bytes / parameters`, scales included
    /// @param ratioToFp32 `4 * parameters / bytes`
    /// @param ratioToSource bytes of the same weights in the source over `bytes`
    public record Statistics(
            long parameters,
            long bytes,
            double bitsPerWeight,
            @JsonProperty("ratio_to_fp32") double ratioToFp32,
            double ratioToSource) {}
}
