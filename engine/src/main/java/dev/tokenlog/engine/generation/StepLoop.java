package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.Executor;

/// Continuous batching: one thread owns the executor and its sequences.
public final class StepLoop implements GenerationEngine {

    private StepLoop() {}

    /// Starts the loop's thread. Closing the loop closes neither executor nor tokenizer.
    public static StepLoop start(
            Executor executor, ModelTokenizer tokenizer, StepLoopOptions options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public GenerationHandle submit(GenerationRequest request, GenerationListener listener) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int active() {
        throw new UnsupportedOperationException();
    }

    @Override
    public int queued() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
