package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `conversion-requests`, key conversion id.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(
            value = ConversionRequest.ConversionRequested.class,
            name = "ConversionRequested"),
    @JsonSubTypes.Type(
            value = ConversionRequest.ConversionCancelRequested.class,
            name = "ConversionCancelRequested")
})
public sealed interface ConversionRequest extends Event {

    String conversionId();

    /// @param modelId the name under which the model is registered; missing: derived from the
    ///   source
    /// @param source a folder or GGUF file as the worker sees it, or `hub:ORG/NAME`, also with
    ///   `@REVISION` and `#FILE.gguf`
    /// @param revision of a source of the hub: a branch, a tag or a commit; missing: `main`
    /// @param recipe missing: that by which a source that somebody else has quantized keeps its
    ///   codes; for any other, `int4` in groups of 32
    /// @param requestedBy who asked, for the audit
    record ConversionRequested(
            @Required String conversionId,
            String modelId,
            @Required String source,
            String revision,
            Recipe recipe,
            String requestedBy)
            implements ConversionRequest {}

    record ConversionCancelRequested(@Required String conversionId, String requestedBy)
            implements ConversionRequest {}

    /// How to quantize. Whatever is missing is filled in by the encoder and stands, filled in, in
    /// the manifest.
    ///
    /// @param code `int8`, `int4`, …
    /// @param groupSize columns that share a scale; missing: 32
    /// @param scales how scales are found: `absmax` (by the element of largest magnitude) or `lsq`
    ///   (least squared error); null: what is usual for the code
    /// @param calibration how a text helps to find codes; missing: none does
    /// @param rotation of the model before it is quantized: `hadamard` or `hadamard-heads`, with a
    ///   seed after a colon or without; missing: none
    /// @param lossySparsity percent of each row of the matrices in the layers, the weights of least
    ///   magnitude, that become 0: 1 to 95; 0 or missing: none
    record Recipe(
            @Required String code,
            Integer groupSize,
            String scales,
            Calibration calibration,
            String rotation,
            Integer lossySparsity) {

        /// A recipe of the weights as they are, without a text.
        public Recipe(String code, Integer groupSize, String scales) {
            this(code, groupSize, scales, null, null, null);
        }

        /// A recipe of the weights as they are.
        public Recipe(String code, Integer groupSize, String scales, Calibration calibration) {
            this(code, groupSize, scales, calibration, null, null);
        }
    }

    /// @param method `gptq`
    /// @param text a file as the worker sees it, a JSON object with `messages` on each line;
    ///   missing: the text that comes with the program
    /// @param tokens of the text that are read at most; missing: what the encoder finds enough
    /// @param bits of codes per weight, on average over the matrices in the layers, each of which
    ///   gets the code that the text shows it to need; missing: all get the recipe's
    record Calibration(@Required String method, String text, Integer tokens, Double bits) {}
}
