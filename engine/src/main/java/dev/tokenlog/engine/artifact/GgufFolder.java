package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.format.gguf.GgufFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;

/// A GGUF file in the form of a hub repository: its metadata become `config.json`,
/// `generation_config.json`, `tokenizer.json` and `tokenizer_config.json` in a temporary folder
/// that ends with this object. The same file gives the same bytes.
public final class GgufFolder implements AutoCloseable {

    static final String ENDING = ".gguf";

    private final Arena arena;
    private final GgufFile file;
    private final Path folder;
    private ModelPlan plan;
    private SourceWeights weights;

    private GgufFolder(Arena arena, GgufFile file, Path folder) {
        this.arena = arena;
        this.file = file;
        this.folder = folder;
    }

    /// The whole model.
    ///
    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE`, `UNSUPPORTED`, naming file
    ///   and key, tensor or offset; `STORAGE_FAILED`
    static GgufFolder open(Path path) {
        GgufFolder opened = tokenizer(path);
        boolean whole = false;
        try {
            opened.readModel();
            whole = true;
            return opened;
        } finally {
            if (!whole) {
                opened.close();
            }
        }
    }

    /// Tokenizer and templates only: enough for a file without weights.
    ///
    /// @throws EngineException like [SourceModel#open]
    public static GgufFolder tokenizer(Path path) {
        Arena arena = Arena.ofShared();
        Path folder = null;
        boolean opened = false;
        try {
            GgufFile file = GgufFile.open(path, arena);
            Map<String, String> files = GgufTokenizer.files(path.toString(), file.metadata());
            folder = temporaryFolder(path);
            for (Map.Entry<String, String> each : files.entrySet()) {
                write(folder.resolve(each.getKey()), each.getValue());
            }
            opened = true;
            return new GgufFolder(arena, file, folder);
        } finally {
            if (!opened) {
                arena.close();
                if (folder != null) {
                    delete(folder.getParent());
                }
            }
        }
    }

    private void readModel() {
        GgufConfiguration.Translated translated = GgufConfiguration.of(file);
        ObjectNode config = translated.config();
        write(folder.resolve(ModelFiles.CONFIG), config.toPrettyString() + "\n");
        plan = ModelPlans.of(config, file.path().toString());
        weights = new GgufWeights(file, translated, config.get("head_dim").intValue());
    }

    /// A folder in a temporary one, with the name of the file, so that errors say what it is about.
    private static Path temporaryFolder(Path path) {
        try {
            Path temporary = Files.createTempDirectory("tokenlog-gguf-");
            return Files.createDirectory(temporary.resolve(path.getFileName().toString()));
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    "no temporary folder for what is in " + path + ": " + e.getMessage(),
                    e);
        }
    }

    private static void write(Path file, String content) {
        try {
            Files.write(file, content.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
        }
    }

    Arena arena() {
        return arena;
    }

    /// Where the translated files lie.
    public Path folder() {
        return folder;
    }

    ModelPlan plan() {
        return plan;
    }

    SourceWeights weights() {
        return weights;
    }

    @Override
    public void close() {
        arena.close();
        delete(folder.getParent());
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path each : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(each);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    folder + ": a temporary folder cannot be deleted: " + e.getMessage(),
                    e);
        }
    }
}
