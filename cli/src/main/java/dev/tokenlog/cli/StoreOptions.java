package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.ArtifactStore;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/// Which folder of artifacts a command means.
final class StoreOptions {

    @Option(
            names = "--store",
            paramLabel = "DIR",
            description =
                    "The folder that holds the artifacts' folders, for instance quantize's --out"
                            + " (default: artifacts/ in the data folder).")
    private Path folder;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder (default: $$TOKENLOG_HOME, else the XDG data folder).")
    private Path data;

    ArtifactStore open() {
        return new ArtifactStore(folder != null ? folder : data().resolve("artifacts"));
    }

    Path data() {
        return ConnectionOptions.dataFolder(data);
    }
}
