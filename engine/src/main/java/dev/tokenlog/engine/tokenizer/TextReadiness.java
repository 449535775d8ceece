package dev.tokenlog.engine.tokenizer;

import dev.tokenlog.engine.EngineException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Whether a model's folder has what turns texts into tokens: asked before hours of conversion, not
/// after.
public final class TextReadiness {

    private TextReadiness() {}

    /// @return what a user should know: a file that was passed over, a missing template
    /// @throws EngineException `SOURCE_NOT_FOUND` without a tokenizer; `SOURCE_UNREADABLE`,
    ///   `UNSUPPORTED` or `TEMPLATE_REFUSED` where tokenizer or template cannot be used
    public static List<String> warnings(Path folder) {
        Optional<String> template = ChatTemplate.open(folder).warning();
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            return Stream.of(tokenizer.warning(), template).flatMap(Optional::stream).toList();
        }
    }
}
