package dev.tokenlog.engine.artifact;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// Artifacts by digest in a folder of the file system: `<root>/sha256-<digest>/`.
public final class ArtifactStore {

    private final Path root;

    public ArtifactStore(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    public Path root() {
        return root;
    }

    /// The folder of an artifact, if it is there and complete.
    ///
    /// @param digest `sha256-` and 64 hex digits
    public Optional<Path> find(String digest) {
        throw new UnsupportedOperationException();
    }

    /// Digests of all artifacts, sorted.
    public List<String> list() {
        throw new UnsupportedOperationException();
    }
}
