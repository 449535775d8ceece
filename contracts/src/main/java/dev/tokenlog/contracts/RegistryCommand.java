package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `registry-commands`, key model id: what operators want served, kept for ever.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = RegistryCommand.PromoteRequested.class, name = "PromoteRequested"),
    @JsonSubTypes.Type(value = RegistryCommand.RollbackRequested.class, name = "RollbackRequested"),
    @JsonSubTypes.Type(
            value = RegistryCommand.UnpublishRequested.class,
            name = "UnpublishRequested"),
    @JsonSubTypes.Type(value = RegistryCommand.RevokeRequested.class, name = "RevokeRequested")
})
public sealed interface RegistryCommand extends Event {

    String modelId();

    /// Serve this digest, with or without a passing verdict (`force`).
    record PromoteRequested(
            @Required String modelId,
            @Required String modelDigest,
            Boolean force,
            String requestedBy)
            implements RegistryCommand {}

    /// Serve the digest that was served before the present one.
    record RollbackRequested(@Required String modelId, String requestedBy)
            implements RegistryCommand {}

    /// Stop serving; nothing is said about the model.
    record UnpublishRequested(@Required String modelId, String requestedBy)
            implements RegistryCommand {}

    /// What becomes of the generations that run on a digest when it is revoked.
    enum Drain {
        /// They go on to their end, on another worker too.
        FINISH,
        /// They end at their next step, with `MODEL_REVOKED`.
        STOP
    }

    /// This digest must not be served any more.
    ///
    /// @param drain missing: `FINISH`; a second request may turn it into `STOP`, not back
    record RevokeRequested(
            @Required String modelId,
            @Required String modelDigest,
            String reason,
            String requestedBy,
            Drain drain)
            implements RegistryCommand {}
}
