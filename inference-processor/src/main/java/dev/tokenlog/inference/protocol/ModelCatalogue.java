package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ModelServing;
import java.util.Optional;

/// This worker's view of `model-registry`: the gate that says what may be served.
public interface ModelCatalogue {

    Optional<ModelServing> find(String modelId);

    /// Runs the task on the protocol thread once the view holds everything that stood in the topic
    /// when this was called. A refusal is never based on an older view.
    void whenCurrent(Runnable task);
}
