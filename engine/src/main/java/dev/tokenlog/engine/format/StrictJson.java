package dev.tokenlog.engine.format;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/// JSON of files that anybody may have written: limited in size, nesting and the length of names
/// and numbers; a name that stands twice, invalid UTF-8 and anything after the document are
/// refused.
public final class StrictJson {

    /// The largest JSON file that is read as a whole.
    public static final long MAX_FILE_BYTES = 256L << 20;

    private static final JsonFactory FACTORY =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(32)
                                    .maxNameLength(4096)
                                    .maxNumberLength(64)
                                    .maxStringLength(1 << 20)
                                    .build())
                    .build();

    /// Reads trees and records under these rules. Fields that a record does not know are ignored.
    public static final JsonMapper MAPPER =
            JsonMapper.builder(FACTORY)
                    .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                    .build();

    private StrictJson() {}

    /// A parser over text that has been decoded already.
    public static JsonParser parser(String text) throws IOException {
        return FACTORY.createParser(text);
    }

    /// Decodes UTF-8 and refuses what is none.
    ///
    /// @param what names the text in the error
    public static String decode(byte[] utf8, String what) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, what + ": the text is not valid UTF-8", e);
        }
    }

    /// The bytes of a JSON file of reasonable size.
    public static byte[] bytes(Path file) {
        try {
            long size = Files.size(file);
            if (!Files.isRegularFile(file)) {
                // Opening a pipe would wait for whoever writes to it.
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, file + ": is not a regular file");
            }
            if (size > MAX_FILE_BYTES) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": " + size + " bytes of JSON; the limit is " + MAX_FILE_BYTES);
            }
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new EngineException(Reason.SOURCE_NOT_FOUND, file + ": not found", e);
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /// The object that a file holds.
    public static JsonNode object(Path file) {
        String text = decode(bytes(file), file.toString());
        JsonNode node;
        try {
            node = MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw unreadable(file.toString(), e);
        }
        if (!node.isObject()) {
            throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": expected a JSON object");
        }
        return node;
    }

    /// What Jackson found wrong, with its place and without an excerpt of the file.
    public static EngineException unreadable(String what, JsonProcessingException e) {
        String place =
                e.getLocation() == null ? "" : " at character " + e.getLocation().getCharOffset();
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                what + ": not the expected JSON" + place + ": " + e.getOriginalMessage(),
                e);
    }
}
