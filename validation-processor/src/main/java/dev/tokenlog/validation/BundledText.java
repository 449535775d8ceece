package dev.tokenlog.validation;

import dev.tokenlog.engine.EngineException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.function.Function;

/// The held-out text that comes with the program: `demo-model/heldout.jsonl`, put on the class path
/// by the build.
final class BundledText {

    /// Where it lies in the repository; what events call it.
    static final String NAME = "demo-model/heldout.jsonl";

    private static final String RESOURCE = "heldout.jsonl";

    private BundledText() {}

    /// Reads it from a temporary file, which is deleted afterwards.
    static <T> T with(Function<Path, T> reader) {
        try (InputStream text = BundledText.class.getResourceAsStream("/" + RESOURCE)) {
            if (text == null) {
                throw new IllegalStateException(RESOURCE + " is not on the class path");
            }
            Path file = Files.createTempFile("tokenlog-", "-" + RESOURCE);
            try {
                Files.copy(text, file, StandardCopyOption.REPLACE_EXISTING);
                return reader.apply(file);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new EngineException(
                    EngineException.Reason.STORAGE_FAILED,
                    "the bundled held-out text cannot be unpacked: " + e,
                    e);
        }
    }
}
