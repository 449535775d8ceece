package dev.tokenlog.inference.model;

/// Loads models by their digest.
public interface ModelLoader {

    /// The arithmetic that every model loaded here follows, for instance `cpu-2/kv16`.
    String numericsId();

    /// What computes, and why, in one line.
    String compute();

    /// Threads that compute.
    int threads();

    /// What a model takes in memory once it is loaded, in bytes.
    ///
    /// @param location the folder that the registry names; may be null
    /// @throws dev.tokenlog.engine.EngineException if it is not there
    long bytes(String digest, String location);

    /// Loads a model; may take long.
    ///
    /// @param location the folder that the registry names; may be null
    /// @throws dev.tokenlog.engine.EngineException if it is not there or does not match its digest
    LoadedModel load(String digest, String location);
}
