package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `validation-requests`, key model id. A new manifest is validated without a request.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(
            value = ValidationRequest.ValidationRequested.class,
            name = "ValidationRequested"),
    @JsonSubTypes.Type(value = ValidationRequest.ReplayRequested.class, name = "ReplayRequested")
})
public sealed interface ValidationRequest extends Event {

    /// @param modelDigest missing: the digest that the manifests topic holds
    /// @param against folder, GGUF file or hub id of the FP32 baseline; missing: the manifest's
    ///   source
    record ValidationRequested(
            String validationId,
            @Required String modelId,
            String modelDigest,
            String against,
            String profile,
            String requestedBy)
            implements ValidationRequest {}

    record ReplayRequested(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            Integer partition,
            Long promptOffset,
            String requestedBy)
            implements ValidationRequest {}
}
