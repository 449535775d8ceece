package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;

/// Topic `model-manifests`, key model id, compacted: the summary of an artifact's `manifest.json`,
/// with its address.
///
/// @param location the artifact's folder
/// @param manifestSha256 SHA-256, hex, of manifest.json
/// @param source where the FP32 baseline lies: a folder or GGUF file, or `hub:ORG/NAME@COMMIT`,
///   also with `#FILE.gguf`
/// @param provenance of the conversion; missing where nobody signed it
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonTypeName("ModelManifest")
public record ModelManifest(
        @Required String modelId,
        @Required String modelDigest,
        String weightsDigest,
        String manifestSha256,
        @Required String location,
        String source,
        String family,
        String quantization,
        double bits,
        double bitsPerWeight,
        long parameters,
        long bytes,
        int tensors,
        int contextLength,
        String conversionId,
        String encoderVersion,
        ConversionEvent.Provenance provenance)
        implements Event {}
