package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent.Terminal;

/// Is told what is worth counting, on the protocol thread.
@FunctionalInterface
public interface Meter {

    /// Nobody counts.
    Meter NONE = (_, _) -> {};

    /// A generation has ended in the log, under a claim of this worker.
    ///
    /// @param modelId as the prompt says it, null where it could not be read; nobody may know such
    ///   a model
    void ended(String modelId, Terminal end);
}
