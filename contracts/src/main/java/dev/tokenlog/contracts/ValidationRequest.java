package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `validation-requests`, key model id. A new manifest is validated without a request.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(
            value = ValidationRequest.ValidationRequested.class,
            name = "ValidationRequested"),
    @JsonSubTypes.Type(value = ValidationRequest.ReplayRequested.class, name = "ReplayRequested"),
    @JsonSubTypes.Type(
            value = ValidationRequest.CandidateReplayRequested.class,
            name = "CandidateReplayRequested")
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

    /// Asks for a past generation to be computed again.
    ///
    /// @param modelId of the generation
    /// @param partition of its prompt; missing: it is looked for everywhere
    /// @param promptOffset its prompt's; missing: the first of its id that `tokens` holds
    /// @param compute kernels to use, for instance `scalar`; missing: the processor's choice
    /// @param threads missing: the processor's choice
    record ReplayRequested(
            String replayId,
            @Required String modelId,
            @Required String generationId,
            Integer partition,
            Long promptOffset,
            String requestedBy,
            String compute,
            Integer threads)
            implements ValidationRequest {}

    /// Asks what another model would have made of a past generation: it reads the same prompt and
    /// the tokens that the log holds.
    ///
    /// @param modelId the candidate
    /// @param modelDigest its version; missing: the latest manifest's
    /// @param generationId what is replayed
    record CandidateReplayRequested(
            String replayId,
            @Required String modelId,
            String modelDigest,
            @Required String generationId,
            Integer partition,
            Long promptOffset,
            String requestedBy)
            implements ValidationRequest {}
}
