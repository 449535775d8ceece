package dev.tokenlog.inference.model;

/// A model that has no room in the worker's budget, whatever is evicted.
final class ModelTooLargeException extends RuntimeException {

    ModelTooLargeException(String modelId, long bytes, long budgetBytes, long pinnedBytes) {
        super(
                "%s takes %d bytes, this worker may load %d%s (%s)"
                        .formatted(
                                modelId,
                                bytes,
                                budgetBytes,
                                pinnedBytes == 0
                                        ? ""
                                        : ", of which pinned models take " + pinnedBytes,
                                ModelMemory.KEY));
    }
}
