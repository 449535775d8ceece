package dev.tokenlog.engine.generation;

/// Turns the tokens of one generation into text.
@FunctionalInterface
interface TextStream {

    /// @return the text that the token completes
    String append(int id);
}
