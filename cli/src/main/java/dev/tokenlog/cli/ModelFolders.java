package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.GgufFolder;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import java.nio.file.Files;
import java.nio.file.Path;

/// What MODEL means to commands that read a model themselves: a folder, a GGUF file, or `demo` for
/// the bundled one.
final class ModelFolders {

    private ModelFolders() {}

    static Path resolve(String model) {
        Path folder = Path.of(model).toAbsolutePath().normalize();
        if (Files.isDirectory(folder)) {
            return folder;
        }
        if (model.equals("demo")) {
            return Installation.demoModel();
        }
        return folder;
    }

    /// Tokenizer, configuration and template files of a model.
    ///
    /// @param folder that holds them
    record ModelFiles(Path folder, Runnable closing) implements AutoCloseable {

        @Override
        public void close() {
            closing.run();
        }
    }

    /// The files of a folder, or those that a GGUF file is translated to, until they are closed.
    static ModelFiles files(String model) {
        Path path = resolve(model);
        if (Files.isRegularFile(path)) {
            GgufFolder gguf = GgufFolder.tokenizer(path);
            return new ModelFiles(gguf.folder(), gguf::close);
        }
        return new ModelFiles(path, () -> {});
    }

    /// An artifact where there is a manifest, else a source: a folder or a GGUF file. Damaged
    /// weights are refused: what they compute is nobody's answer.
    static Model open(String model) {
        Path folder = resolve(model);
        return Files.exists(folder.resolve("manifest.json"))
                ? Artifact.open(folder, true)
                : SourceModel.open(folder);
    }
}
