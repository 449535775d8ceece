package dev.tokenlog.conversion;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// Names under which models are registered: letters, digits, `.`, `_` and `-`, at most 128, the
/// first one a letter or digit.
final class ModelIds {

    private static final Pattern VALID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");

    private ModelIds() {}

    static boolean isValid(String modelId) {
        return VALID.matcher(modelId).matches();
    }

    /// The name of a source that was given none: that of its folder, or of its GGUF file without
    /// the ending, in lower case, every run of other characters a single `-`. Of `/models/My Model
    /// (v2)` it is `my-model-v2`.
    ///
    /// @return empty if nothing is left
    static Optional<String> of(Path source) {
        Path name = source.toAbsolutePath().normalize().getFileName();
        if (name == null) {
            return Optional.empty();
        }
        String id =
                name.toString()
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("\\.gguf$", "")
                        .replaceAll("[^a-z0-9._-]+", "-")
                        .replaceAll("^[._-]+|[._-]+$", "");
        return Optional.of(id.length() > 128 ? id.substring(0, 128) : id).filter(ModelIds::isValid);
    }
}
