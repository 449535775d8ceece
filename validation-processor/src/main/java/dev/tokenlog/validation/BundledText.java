package dev.tokenlog.validation;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/// The held-out text that comes with the program: `demo-model/heldout.jsonl`, put on the class path
/// by the build.
final class BundledText {

    static final String NAME = "heldout.jsonl";

    private BundledText() {}

    /// Unpacks it to a temporary file, which goes with the process.
    static Path unpack() {
        try (InputStream text = BundledText.class.getResourceAsStream(NAME)) {
            if (text == null) {
                throw new IllegalStateException(NAME + " is not on the class path");
            }
            Path file = Files.createTempFile("tokenlog-", "-" + NAME);
            file.toFile().deleteOnExit();
            Files.copy(text, file, StandardCopyOption.REPLACE_EXISTING);
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException("the bundled held-out text cannot be unpacked", e);
        }
    }
}
