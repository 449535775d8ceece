package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;
import java.util.List;

/// Topic `model-registry`, key model id, compacted: what may be served. Written by the registry
/// processor alone.
///
/// @param state of the current digest
/// @param current the digest that answers prompts; missing unless `state` is `SERVING`
/// @param versions every digest known under this id, latest last
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonTypeName("ModelServing")
public record ModelServing(
        @Required String modelId, @Required State state, Version current, List<Version> versions)
        implements Event {

    public enum State {
        /// Known, without a passing verdict or a promotion.
        CANDIDATE,
        SERVING,
        REVOKED,
        UNPUBLISHED
    }

    /// @param reason why it is in this state
    /// @param revokedBy who revoked it; missing if nobody did
    /// @param drain what becomes of the generations that run on it; missing if it is not revoked
    /// @param verdict `PASS`, `FAIL`, `NONE` or missing while there is none
    public record Version(
            @Required String modelDigest,
            @Required State state,
            AccuracyEvent.Verdict verdict,
            String validationId,
            String numericsId,
            String location,
            String manifestSha256,
            String family,
            String quantization,
            double bitsPerWeight,
            long bytes,
            int contextLength,
            String reason,
            String revokedBy,
            RegistryCommand.Drain drain) {

        /// One that is not revoked.
        public Version(
                String modelDigest,
                State state,
                AccuracyEvent.Verdict verdict,
                String validationId,
                String numericsId,
                String location,
                String manifestSha256,
                String family,
                String quantization,
                double bitsPerWeight,
                long bytes,
                int contextLength,
                String reason) {
            this(
                    modelDigest,
                    state,
                    verdict,
                    validationId,
                    numericsId,
                    location,
                    manifestSha256,
                    family,
                    quantization,
                    bitsPerWeight,
                    bytes,
                    contextLength,
                    reason,
                    null,
                    null);
        }
    }
}
