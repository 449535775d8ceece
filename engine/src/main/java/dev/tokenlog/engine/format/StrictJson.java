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
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// JSON of files that anybody may have written: limited in size, nesting and the length of names
/// and numbers; a name that stands twice, invalid UTF-8 and anything after the document are
/// refused.
public final class StrictJson {

    /// The largest JSON file that is read as a whole.
    public static final long MAX_FILE_BYTES = 256L << 20;

    /// The largest that becomes a tree: a vocabulary of 250,000 words has 10 MB.
    static final long MAX_TREE_BYTES = 64L << 20;

    /// A tree takes many times the bytes of `[[],[],…`: so few values that it stays small.
    private static final long MAX_TREE_TOKENS = 3_000_000;

    private static final JsonFactory FACTORY = factory(Long.MAX_VALUE);

    /// Reads trees and records under these rules. Fields that a record does not know are ignored.
    public static final JsonMapper MAPPER = mapper(FACTORY);

    private static final JsonMapper TREES = mapper(factory(MAX_TREE_TOKENS));

    private StrictJson() {}

    private static JsonFactory factory(long maxTokens) {
        return JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                // Names of strangers in a table of the whole process: an attack by equal hashes.
                .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                .streamReadConstraints(
                        StreamReadConstraints.builder()
                                .maxNestingDepth(32)
                                .maxNameLength(4096)
                                .maxNumberLength(64)
                                .maxStringLength(1 << 20)
                                .maxTokenCount(maxTokens)
                                .build())
                .build();
    }

    private static JsonMapper mapper(JsonFactory factory) {
        return JsonMapper.builder(factory)
                .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                .build();
    }

    /// A parser over text that has been decoded already.
    public static JsonParser parser(String text) throws IOException {
        return FACTORY.createParser(text);
    }

    /// A parser over UTF-8, which is decoded piece by piece: bytes that are none end it with a
    /// [CharacterCodingException].
    public static JsonParser parser(byte[] utf8) throws IOException {
        return FACTORY.createParser(reader(utf8));
    }

    /// Not Jackson's own decoder: it would take UTF-16 as well.
    private static Reader reader(byte[] utf8) {
        return new InputStreamReader(
                new ByteArrayInputStream(utf8), StandardCharsets.UTF_8.newDecoder());
    }

    /// The text of a whole file: UTF-8 without a byte order mark, which would become part of the
    /// first name, line or prompt.
    ///
    /// @param what names the file in the error
    public static String text(byte[] utf8, String what) {
        refuseMark(utf8, what);
        return decode(utf8, what);
    }

    private static void refuseMark(byte[] utf8, String what) {
        if (utf8.length >= 3
                && utf8[0] == (byte) 0xef
                && utf8[1] == (byte) 0xbb
                && utf8[2] == (byte) 0xbf) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    what + ": begins with a byte order mark; save it as UTF-8 without one");
        }
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
        return bytes(file, MAX_FILE_BYTES);
    }

    private static byte[] bytes(Path file, long limit) {
        InputFiles.requireRegular(file);
        try (InputStream in = Files.newInputStream(file)) {
            long size = Files.size(file);
            if (size > limit) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": " + size + " bytes of JSON; the limit is " + limit);
            }
            // Also where the file grows meanwhile, no more than it had.
            return in.readNBytes((int) size);
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    /// The object that a file holds.
    public static JsonNode object(Path file) {
        byte[] utf8 = bytes(file, MAX_TREE_BYTES);
        refuseMark(utf8, file.toString());
        JsonNode node;
        try {
            node = TREES.readTree(reader(utf8));
        } catch (IOException e) {
            throw unreadable(file.toString(), e);
        }
        if (!node.isObject()) {
            throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": expected a JSON object");
        }
        return node;
    }

    /// What was wrong with JSON that was read out of memory.
    public static EngineException unreadable(String what, IOException e) {
        return switch (e) {
            case JsonProcessingException json -> unreadable(what, json);
            case CharacterCodingException coding ->
                    new EngineException(
                            Reason.SOURCE_UNREADABLE, what + ": the text is not valid UTF-8", e);
            default -> throw new UncheckedIOException(e); // memory is always readable
        };
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
