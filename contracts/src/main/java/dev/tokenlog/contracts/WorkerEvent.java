package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `worker-events`, key worker id, compacted, and deleted after a day: what a worker is and
/// what becomes of its models. A [WorkerState] follows every other event at once, so that the
/// latest record of a key, which is what compaction keeps, is a snapshot (or the tombstone of a
/// worker that has ended).
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = WorkerState.class, name = "WorkerState"),
    @JsonSubTypes.Type(value = WorkerEvent.ModelLoaded.class, name = "ModelLoaded"),
    @JsonSubTypes.Type(value = WorkerEvent.ModelLoadFailed.class, name = "ModelLoadFailed"),
    @JsonSubTypes.Type(value = WorkerEvent.ModelEvicted.class, name = "ModelEvicted")
})
public sealed interface WorkerEvent extends Event permits WorkerState, WorkerEvent.ModelEvent {

    String workerId();

    /// A change in the models of a worker.
    sealed interface ModelEvent extends WorkerEvent {
        String modelId();

        String modelDigest();
    }

    /// Why a worker loads a model.
    enum LoadReason {
        /// A prompt asked for it.
        PROMPT,
        /// It is pinned: loaded without being asked for, and never evicted.
        PINNED
    }

    /// Why a worker gives up a model that no generation uses.
    enum EvictionReason {
        /// Another model needed room, and this one had been asked for least recently.
        ROOM,
        /// Another model needed room, and the registry does not serve this one any more.
        NOT_SERVED
    }

    /// @param bytes what the model counts against the budget
    /// @param durationMs reading, checking digests, preparing
    /// @param loadedBytes of all models of this worker, this one included
    /// @param budgetBytes that all models of this worker may take
    record ModelLoaded(
            @Required String workerId,
            @Required String modelId,
            @Required String modelDigest,
            @Required Long bytes,
            Long durationMs,
            LoadReason reason,
            Long loadedBytes,
            Long budgetBytes)
            implements ModelEvent {}

    /// @param bytes missing where the model could not be found
    record ModelLoadFailed(
            @Required String workerId,
            @Required String modelId,
            @Required String modelDigest,
            Long bytes,
            Long durationMs,
            LoadReason reason,
            ErrorCode code,
            String message)
            implements ModelEvent {}

    /// @param durationMs until its memory was free
    /// @param generations that it has run since it was loaded
    /// @param loadedBytes of the models that are left
    record ModelEvicted(
            @Required String workerId,
            @Required String modelId,
            @Required String modelDigest,
            @Required Long bytes,
            Long durationMs,
            EvictionReason reason,
            Long generations,
            Long loadedBytes,
            Long budgetBytes)
            implements ModelEvent {}
}
