package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.engine.generation.GenerationEngine;
import java.time.Instant;

/// A model that is ready to run. Safe for use by several threads at once.
public interface LoadedModel extends AutoCloseable {

    GenerationEngine engine();

    /// Positions that the model was made for.
    int contextLength();

    /// Renders and tokenizes a prompt.
    ///
    /// @param clock what a chat template sees as now
    /// @throws dev.tokenlog.engine.EngineException if the template refuses it
    int[] encode(PromptSubmitted prompt, Instant clock);

    /// A detokenizer for one generation.
    TextStream text();

    @Override
    void close();

    /// Turns tokens into text while they come; for one thread at a time.
    interface TextStream {
        /// @return what this token adds, often a word, sometimes nothing
        String append(int id);
    }
}
