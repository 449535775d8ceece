package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// The small files of a model's folder.
public final class ModelFiles {

    public static final String CONFIG = "config.json";
    static final String MANIFEST = "manifest.json";

    /// Whatever beside the weights can change a token: goes into the artifact as it came, and its
    /// digest into the model's. So do the templates of `additional_chat_templates`.
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

    static final String TOKENIZER = "tokenizer.json";

    /// A template for another purpose: `additional_chat_templates/tool_use.jinja`.
    private static final Pattern TEMPLATE =
            Pattern.compile(ChatTemplate.ADDITIONAL + "/[^/\\\\\\p{Cntrl}]{1,200}\\.jinja");

    private ModelFiles() {}

    /// The files of a folder that can change a token, by their names in it, sorted.
    static List<String> in(Path folder) {
        List<String> names = new ArrayList<>();
        COPIED.stream().filter(name -> find(folder, name).isPresent()).forEach(names::add);
        for (Path template : ChatTemplate.additional(folder)) {
            names.add(ChatTemplate.ADDITIONAL + "/" + template.getFileName());
        }
        names.sort(null);
        return names;
    }

    /// Whether a manifest may list this name: nothing else is ever opened by what a manifest says.
    static boolean isKnown(String name) {
        return COPIED.contains(name) || TEMPLATE.matcher(name).matches();
    }

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
