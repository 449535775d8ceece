package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Digests;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// Lines of the table that an earlier run has finished, one JSON object each: a comparison of many
/// recipes takes long, and may be interrupted. What an interruption has cut off is dropped before
/// the next line is written; a file of anything else is refused and stays as it is.
final class CompareRows {

    /// Of every line.
    private static final String BEGINNING = "{\"name\":";

    private final Path file;
    private final Map<String, CompareRow> known = new LinkedHashMap<>();
    private final Map<Path, String> digests = new HashMap<>();
    private long whole;

    /// @param file null: nothing is kept
    CompareRows(Path file) throws IOException {
        this.file = file;
        if (file != null && Files.exists(file)) {
            read(Files.readAllBytes(file));
        }
    }

    private void read(byte[] bytes) {
        int start = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\n') {
                String line = new String(bytes, start, i - start, StandardCharsets.UTF_8);
                JsonNode row = Json.read(line, file.toString());
                if (!row.path("key").isTextual()) {
                    throw foreign();
                }
                known.put(row.path("key").textValue(), CompareRow.of(row));
                start = i + 1;
            }
        }
        String cutOff = new String(bytes, start, bytes.length - start, StandardCharsets.UTF_8);
        if (!cutOff.startsWith(BEGINNING) && !BEGINNING.startsWith(cutOff)) {
            throw foreign();
        }
        whole = start;
    }

    private CommandFailure foreign() {
        return CommandFailure.usage("--resume %s: these are not lines of a table".formatted(file));
    }

    /// Everything that a line depends on, by its contents.
    ///
    /// @param files and folders
    String key(String candidate, int tokens, List<Path> files) throws IOException {
        StringBuilder key =
                new StringBuilder(
                        "%s tokens=%d %s".formatted(candidate, tokens, Converter.ENCODER_VERSION));
        if (file != null) {
            for (Path each : files) {
                key.append(' ').append(digest(each));
            }
        }
        return key.toString();
    }

    /// Of a file; of a folder, those of its files.
    private String digest(Path path) throws IOException {
        String digest = digests.get(path);
        if (digest == null) {
            digest = Files.isDirectory(path) ? folder(path) : Digests.file(path).sha256();
            digests.put(path, digest);
        }
        return digest;
    }

    private static String folder(Path folder) throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path each : files.filter(Files::isRegularFile).sorted().toList()) {
                text.append(each.getFileName()).append('=').append(Digests.file(each).sha256());
            }
        }
        return text.toString();
    }

    /// @param key everything that the line depends on
    Optional<CompareRow> find(String key) {
        return Optional.ofNullable(known.get(key));
    }

    void keep(String key, CompareRow row) throws IOException {
        if (file == null) {
            return;
        }
        byte[] line =
                (Json.text(row.json().put("key", key)) + "\n").getBytes(StandardCharsets.UTF_8);
        try (FileChannel out =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            out.truncate(whole);
            out.position(whole);
            ByteBuffer left = ByteBuffer.wrap(line);
            while (left.hasRemaining()) {
                out.write(left);
            }
        }
        whole += line.length;
    }
}
