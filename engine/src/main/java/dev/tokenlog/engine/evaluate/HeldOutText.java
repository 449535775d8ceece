package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.nio.file.Path;
import java.util.List;

/// Text for validation: one JSON object with `messages` per line.
public final class HeldOutText {

    private HeldOutText() {}

    /// Renders and tokenizes each line to a document of at most `longest` tokens, until `maxTokens`
    /// are reached.
    public static List<int[]> read(
            Path file,
            ChatTemplate template,
            ModelTokenizer tokenizer,
            int longest,
            long maxTokens) {
        throw new UnsupportedOperationException(file.toString());
    }
}
