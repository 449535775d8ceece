package dev.tokenlog.engine.tokenizer;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// A model's `tokenizer.json`. Safe for use by several threads at once.
public final class ModelTokenizer implements AutoCloseable {

    private ModelTokenizer() {}

    /// Opens the tokenizer of a model folder: `tokenizer.json`, and beside it, where they exist,
    /// `tokenizer_config.json`, `generation_config.json` and `config.json` for the special tokens.
    public static ModelTokenizer open(Path folder) {
        throw new UnsupportedOperationException(folder.toString());
    }

    /// @param addSpecial whether the tokenizer adds what it adds by itself (for instance a
    ///   beginning of sequence); false for text that a chat template made
    public int[] encode(String text, boolean addSpecial) {
        throw new UnsupportedOperationException();
    }

    public String decode(int[] ids, boolean skipSpecial) {
        throw new UnsupportedOperationException();
    }

    /// One more than the highest token id.
    public int vocabularySize() {
        throw new UnsupportedOperationException();
    }

    public Optional<String> token(int id) {
        throw new UnsupportedOperationException();
    }

    public OptionalInt id(String token) {
        throw new UnsupportedOperationException();
    }

    /// Whether a token stands for something other than text.
    public boolean isSpecial(int id) {
        throw new UnsupportedOperationException();
    }

    /// The ids that end a generation.
    public Set<Integer> endOfSequence() {
        throw new UnsupportedOperationException();
    }

    /// A detokenizer for one generation.
    public StreamingDetokenizer detokenizer() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
