package dev.tokenlog.engine.tokenizer;

/// Turns the tokens of one generation into text while they come, and never splits a character.
///
/// What it has given out after `n` tokens is a pure function of these tokens, however they were
/// grouped. For one thread.
public final class StreamingDetokenizer {

    StreamingDetokenizer() {}

    /// Takes the next token.
    ///
    /// @return the text that is now complete and was not before; often a word, sometimes nothing
    public String append(int id) {
        throw new UnsupportedOperationException();
    }
}
