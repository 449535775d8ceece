package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Reads the small files of a model folder, which come from strangers: bounded in size, with errors
/// that name the file.
final class ModelFiles {

    static final ObjectMapper JSON = new ObjectMapper();

    private static final long MAX_CONFIGURATION = 16L << 20;

    private ModelFiles() {}

    static byte[] read(Path file, long maxBytes) {
        if (!Files.isRegularFile(file)) {
            throw new EngineException(Reason.SOURCE_NOT_FOUND, file + ": no such file");
        }
        try {
            long size = Files.size(file);
            if (size > maxBytes) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": " + size + " bytes, expected at most " + maxBytes);
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    static String readText(Path file, long maxBytes) {
        byte[] bytes = read(file, maxBytes);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": is not UTF-8", e);
        }
    }

    /// The object in a configuration file, if the file is there.
    static Optional<JsonNode> configuration(Path file) {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            JsonNode node = JSON.readTree(readText(file, MAX_CONFIGURATION));
            if (!node.isObject()) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, file + ": expected a JSON object");
            }
            return Optional.of(node);
        } catch (JsonProcessingException e) {
            throw broken(file, e);
        }
    }

    static EngineException broken(Path file, JsonProcessingException e) {
        String place =
                e.getLocation() == null
                        ? ""
                        : " at line "
                                + e.getLocation().getLineNr()
                                + ", column "
                                + e.getLocation().getColumnNr();
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                file + ": broken JSON" + place + ": " + e.getOriginalMessage(),
                e);
    }
}
