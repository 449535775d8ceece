package dev.tokenlog.engine.generation;

/// Runs many generations of one model at once: they join and leave at any step of one loop that one
/// thread owns.
public interface GenerationEngine extends AutoCloseable {

    /// Enqueues and returns at once. From any thread.
    GenerationHandle submit(GenerationRequest request, GenerationListener listener);

    /// Generations in the loop.
    int active();

    /// Generations that wait for a place.
    int queued();

    /// Use of memory and what it saved. From any thread.
    LoopStatistics statistics();

    /// Stops everything and waits for the loop's end.
    @Override
    void close();
}
