package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import java.nio.file.Files;
import java.nio.file.Path;

/// What MODEL means to commands that read a model themselves: a folder, or `demo` for the bundled
/// one.
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

    /// An artifact where there is a manifest, else a source folder. Damaged weights are refused:
    /// what they compute is nobody's answer.
    static Model open(String model) {
        Path folder = resolve(model);
        return Files.exists(folder.resolve("manifest.json"))
                ? Artifact.open(folder, true)
                : SourceModel.open(folder);
    }
}
