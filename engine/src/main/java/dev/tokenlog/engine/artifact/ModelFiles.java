package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.InputFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// The small files of a model's folder.
public final class ModelFiles {

    public static final String CONFIG = "config.json";
    static final String MANIFEST = "manifest.json";

    /// Whatever beside the weights can change a token: goes into the artifact as it came, and its
    /// digest into the model's.
    public static final List<String> COPIED =
            List.of(
                    "added_tokens.json",
                    "chat_template.jinja",
                    "chat_template.json",
                    CONFIG,
                    "generation_config.json",
                    "merges.txt",
                    "special_tokens_map.json",
                    "tokenizer.json",
                    "tokenizer.model",
                    "tokenizer_config.json",
                    "vocab.json");

    private ModelFiles() {}

    /// @param name without a path
    /// @throws dev.tokenlog.engine.EngineException if something else than a file has the name: a
    ///   model must not lose what it says about tokens
    static Optional<Path> find(Path folder, String name) {
        if (name.isEmpty() || name.contains("/") || name.contains("\\") || name.equals("..")) {
            throw new IllegalArgumentException("'" + name + "' is not the name of a file");
        }
        Path file = folder.resolve(name);
        if (!InputFiles.isThere(file)) {
            return Optional.empty();
        }
        InputFiles.requireRegular(file);
        return Optional.of(file);
    }
}
