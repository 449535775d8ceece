package dev.tokenlog.inference.model;

import java.util.concurrent.atomic.AtomicBoolean;

/// The use of a loaded model by one generation: until it is closed, the model stays. From any
/// thread.
final class ModelLease implements AutoCloseable {

    private final LoadedModel model;
    private final Runnable end;
    private final AtomicBoolean closed = new AtomicBoolean();

    ModelLease(LoadedModel model, Runnable end) {
        this.model = model;
        this.end = end;
    }

    LoadedModel model() {
        return model;
    }

    /// Once; again is no harm.
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            end.run();
        }
    }
}
