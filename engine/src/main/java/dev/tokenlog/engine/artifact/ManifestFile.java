package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// The JSON of a [Manifest]: snake case, two spaces, line feeds on every platform.
final class ManifestFile {

    static final String FORMAT_VERSION = "2";

    private static final DefaultIndenter INDENTER = new DefaultIndenter("  ", "\n");

    private static final JsonMapper MAPPER =
            StrictJson.MAPPER
                    .rebuild()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .defaultPrettyPrinter(
                            new DefaultPrettyPrinter()
                                    .withObjectIndenter(INDENTER)
                                    .withArrayIndenter(INDENTER))
                    .build();

    private ManifestFile() {}

    static byte[] write(Manifest manifest) {
        return (text(manifest) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    static byte[] write(ObjectNode manifest) {
        return (text(manifest) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    static ObjectNode tree(Manifest manifest) {
        return MAPPER.valueToTree(manifest);
    }

    private static String text(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // records of strings and numbers can be written
        }
    }

    /// One weight on one line, for the journal of a conversion.
    static String line(Manifest.Weight weight) {
        try {
            return MAPPER.writer()
                    .without(SerializationFeature.INDENT_OUTPUT)
                    .writeValueAsString(weight);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // records of strings and numbers can be written
        }
    }

    static Manifest.Weight weight(String line) throws JsonProcessingException {
        return MAPPER.readValue(line, Manifest.Weight.class);
    }

    /// @param file names the manifest in errors
    static Manifest read(byte[] bytes, Path file) {
        Manifest manifest;
        try {
            manifest = MAPPER.readValue(StrictJson.text(bytes, file.toString()), Manifest.class);
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(file.toString(), e);
        }
        if (manifest == null || !FORMAT_VERSION.equals(manifest.formatVersion())) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    file + ": field 'format_version': expected \"" + FORMAT_VERSION + "\"");
        }
        return manifest;
    }
}
