package dev.tokenlog.validation;

import java.nio.file.Path;

/// Where artifacts are on this machine.
@FunctionalInterface
interface ArtifactFolders {

    /// It may take as long as a download.
    ///
    /// @param location where a manifest's event says that it lies
    /// @throws dev.tokenlog.engine.EngineException if it is nowhere
    Path folder(String digest, String location);
}
