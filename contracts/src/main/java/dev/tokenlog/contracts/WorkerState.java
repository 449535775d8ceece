package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;
import java.util.List;

/// One snapshot of a worker.
///
/// @param compute the one line that says which kernels were chosen, and why
/// @param memoryBytes the largest heap of the process
/// @param peakMemoryBytes the most that the process has had in memory so far, heap, weights and all
///   else together; missing where the operating system does not say
/// @param modelBudgetBytes that all models together may take
/// @param queue the first prompts that wait, at most [#QUEUE_LIMIT], in the order of their turns
/// @param debt tokens asked for by prompts that this worker holds and that have not ended
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
        Integer queuedGenerations,
        Long peakMemoryBytes,
        Long modelBudgetBytes,
        List<Waiting> queue,
        List<ModelDebt> debt)
        implements WorkerEvent {

    /// Places of a queue that are told.
    public static final int QUEUE_LIMIT = 100;

    /// @param position from 1: the next to begin
    /// @param tokensAhead asked for by those before it
    /// @param estimatedMs until it begins, by the present rate; missing while too little is known
    public record Waiting(
            @Required String generationId,
            String modelId,
            int position,
            long tokensAhead,
            Long estimatedMs) {}

    public record ModelDebt(@Required String modelId, long tokens) {}

    /// @param modelId the name under which it was first asked for
    /// @param bytes what it counts against the budget
    /// @param loadMs what loading it took
    /// @param pinned whether it is never evicted
    /// @param generations that run on it now
    public record LoadedModel(
            @Required String modelId,
            @Required String modelDigest,
            long bytes,
            Long loadMs,
            Boolean pinned,
            Integer generations) {}
}
