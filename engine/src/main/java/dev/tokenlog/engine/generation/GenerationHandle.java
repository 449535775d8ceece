package dev.tokenlog.engine.generation;

/// A generation that was submitted.
public interface GenerationHandle {

    /// Ends it at the next step; [GenerationListener#onStopped] follows, unless it had already
    /// ended. From any thread.
    void stop();
}
