package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;

/// Topic `conversion-events`, key conversion id: the audit trail of a conversion, kept for ever.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(
            value = ConversionEvent.ConversionAccepted.class,
            name = "ConversionAccepted"),
    @JsonSubTypes.Type(value = ConversionEvent.SourceDownloading.class, name = "SourceDownloading"),
    @JsonSubTypes.Type(value = ConversionEvent.SourceResolved.class, name = "SourceResolved"),
    @JsonSubTypes.Type(value = ConversionEvent.TensorConverted.class, name = "TensorConverted"),
    @JsonSubTypes.Type(value = ConversionEvent.ArtifactWritten.class, name = "ArtifactWritten"),
    @JsonSubTypes.Type(value = ConversionEvent.ProvenanceSigned.class, name = "ProvenanceSigned"),
    @JsonSubTypes.Type(value = ConversionEvent.ManifestPublished.class, name = "ManifestPublished"),
    @JsonSubTypes.Type(
            value = ConversionEvent.ConversionFinished.class,
            name = "ConversionFinished"),
    @JsonSubTypes.Type(value = ConversionEvent.ConversionFailed.class, name = "ConversionFailed"),
    @JsonSubTypes.Type(
            value = ConversionEvent.ConversionCancelled.class,
            name = "ConversionCancelled"),
    @JsonSubTypes.Type(value = ConversionEvent.ConversionResumed.class, name = "ConversionResumed")
})
public sealed interface ConversionEvent extends Event {

    String conversionId();

    /// The stages of the command that a user follows; the first three are the conversion's own.
    enum Stage {
        FETCH,
        EXPORT_TENSORS,
        PUBLISH
    }

    /// @param recipe filled in; missing where the request has none: then the source decides, and
    ///   [SourceResolved] says how
    record ConversionAccepted(
            @Required String conversionId,
            String modelId,
            String source,
            ConversionRequest.Recipe recipe,
            String requestedBy,
            String workerId,
            String encoderVersion)
            implements ConversionEvent {}

    /// How far the download of a source is: every few seconds while it lasts, also while it waits.
    ///
    /// @param source `hub:ORG/NAME@REVISION`, as it was asked for
    /// @param filesDone of `files`
    /// @param bytesDone of `bytesTotal`; what had arrived before is included
    /// @param bytesPerSecond over the last seconds
    /// @param note why nothing moves; missing while all is well
    record SourceDownloading(
            @Required String conversionId,
            @Required String source,
            int filesDone,
            int files,
            long bytesDone,
            long bytesTotal,
            long bytesPerSecond,
            String note)
            implements ConversionEvent {}

    /// @param location a folder or GGUF file, or `hub:ORG/NAME@COMMIT`, also with `#FILE.gguf`
    /// @param repository `ORG/NAME` of a source of the hub
    /// @param revision its commit
    /// @param warnings what a user should know of the source, such as a missing chat template
    /// @param recipe that the conversion follows
    record SourceResolved(
            @Required String conversionId,
            String location,
            String family,
            int tensors,
            long parameters,
            long bytes,
            String dtype,
            List<FileDigest> files,
            String repository,
            String revision,
            List<String> warnings,
            ConversionRequest.Recipe recipe)
            implements ConversionEvent {}

    /// One per finished tensor, so that a conversion can be resumed and its progress drawn.
    ///
    /// @param number 1 to `of`, rising
    /// @param relativeError relative L2 error ‖w − ŵ‖ / ‖w‖ in double precision; missing where it
    ///   is undefined (a tensor of zeros), like `cosine`
    record TensorConverted(
            @Required String conversionId,
            int number,
            int of,
            @Required String name,
            List<Long> shape,
            String quantization,
            String sha256,
            long bytes,
            Double relativeError,
            Double maxError,
            Double cosine,
            long bytesDone,
            long bytesTotal)
            implements ConversionEvent {}

    record ArtifactWritten(
            @Required String conversionId,
            @Required String modelDigest,
            String weightsDigest,
            String manifestSha256,
            String location,
            long bytes,
            double bitsPerWeight)
            implements ConversionEvent {}

    /// A signed statement about the artifact lies in its folder.
    ///
    /// @param manifestSha256 its subject
    record ProvenanceSigned(
            @Required String conversionId,
            @Required String modelDigest,
            String manifestSha256,
            @Required Provenance provenance)
            implements ConversionEvent {}

    /// Where a signed statement is, and whose it is.
    ///
    /// @param file name in the artifact's folder: a DSSE envelope around an in-toto statement with
    ///   SLSA provenance
    /// @param sha256 of that file
    /// @param keyId SHA-256, hex, of the public key as SubjectPublicKeyInfo in DER
    /// @param algorithm `ecdsa-p256` or `ed25519`
    record Provenance(
            @Required String file,
            @Required String sha256,
            @Required String keyId,
            String algorithm) {}

    record ManifestPublished(
            @Required String conversionId,
            @Required String modelId,
            @Required String modelDigest,
            String manifestSha256)
            implements ConversionEvent {}

    /// @param ratioToFp32 bytes of the source in FP32 over bytes of the artifact's weights
    /// @param ratioToSource the same against the source's own type
    record ConversionFinished(
            @Required String conversionId,
            @Required String modelId,
            @Required String modelDigest,
            long parameters,
            long bytes,
            double bitsPerWeight,
            double ratioToFp32,
            double ratioToSource,
            long totalMs)
            implements ConversionEvent {}

    record ConversionFailed(@Required String conversionId, @Required ErrorCode code, String message)
            implements ConversionEvent {}

    record ConversionCancelled(@Required String conversionId, String requestedBy)
            implements ConversionEvent {}

    record ConversionResumed(@Required String conversionId, int tensorsDone, String workerId)
            implements ConversionEvent {}

    record FileDigest(@Required String path, long bytes, String sha256) {}
}
