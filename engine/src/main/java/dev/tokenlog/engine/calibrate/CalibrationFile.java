package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// A text to calibrate by: a JSON object with `messages` on each line.
///
/// @param name for people
public record CalibrationFile(String name, byte[] content) {

    /// Where the bundled one lies in the repository; what manifests and events call it.
    public static final String BUNDLED = "demo-model/calibration.jsonl";

    private static final String RESOURCE = "/calibration.jsonl";

    /// Much more than anybody can calibrate by in a day.
    private static final long MAX_BYTES = 256L << 20;

    /// @throws EngineException `SOURCE_NOT_FOUND` or `SOURCE_UNREADABLE`
    public static CalibrationFile of(Path file) {
        InputFiles.requireRegular(file);
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: %d bytes of calibration text, at most %d are read"
                                .formatted(file, Files.size(file), MAX_BYTES));
            }
            return new CalibrationFile(file.toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    /// The text that comes with the program: chats from the generator of the demo model's corpus,
    /// none of which is in its held-out text.
    public static CalibrationFile bundled() {
        try (InputStream text = CalibrationFile.class.getResourceAsStream(RESOURCE)) {
            if (text == null) {
                throw new IllegalStateException(RESOURCE + " is not on the class path");
            }
            return new CalibrationFile(BUNDLED, text.readAllBytes());
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, "the bundled text cannot be read: " + e, e);
        }
    }

    /// 64 hex digits.
    public String sha256() {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
