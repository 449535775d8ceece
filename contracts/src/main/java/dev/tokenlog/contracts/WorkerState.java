package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;
import java.util.List;

/// Topic `worker-events`, key worker id, compacted: one snapshot per worker, a tombstone at its
/// end.
///
/// @param compute the one line that says which kernels were chosen, and why
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonTypeName("WorkerState")
public record WorkerState(
        @Required String workerId,
        String role,
        String host,
        long startedAt,
        String compute,
        String numericsId,
        Integer threads,
        Long memoryBytes,
        List<LoadedModel> models,
        List<Integer> partitions,
        Integer activeGenerations,
        Integer queuedGenerations)
        implements Event {

    public record LoadedModel(@Required String modelId, @Required String modelDigest, long bytes) {}
}
