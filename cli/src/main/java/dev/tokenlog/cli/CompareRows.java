package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// Lines of the table that an earlier run has finished, one JSON object each: a comparison of many
/// recipes takes long, and may be interrupted. A last line that the interruption has cut off is
/// dropped.
final class CompareRows {

    private final Path file;
    private final Map<String, CompareRow> known = new LinkedHashMap<>();

    /// @param file null: nothing is kept
    CompareRows(Path file) throws IOException {
        this.file = file;
        if (file != null && Files.exists(file)) {
            String content = Files.readString(file);
            String whole = content.substring(0, content.lastIndexOf('\n') + 1);
            if (whole.length() < content.length()) {
                Files.writeString(file, whole);
            }
            for (String line : whole.lines().toList()) {
                JsonNode row = Json.read(line, file.toString());
                known.put(row.path("key").asText(), CompareRow.of(row));
            }
        }
    }

    /// @param key everything that the line depends on
    Optional<CompareRow> find(String key) {
        return Optional.ofNullable(known.get(key));
    }

    void keep(String key, CompareRow row) throws IOException {
        if (file != null) {
            ObjectNode json = row.json().put("key", key);
            Files.writeString(
                    file,
                    Json.text(json) + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        }
    }
}
