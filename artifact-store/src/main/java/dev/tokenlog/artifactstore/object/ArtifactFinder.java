package dev.tokenlog.artifactstore.object;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;

/// Where an artifact is: in the store of this machine, where its manifest's event says, or in the
/// store that several machines share, from which it is then fetched.
///
/// @param remote missing: artifacts are only where this machine sees them
public record ArtifactFinder(ArtifactStore store, Optional<RemoteArtifacts> remote) {

    public static ArtifactFinder local(ArtifactStore store) {
        return new ArtifactFinder(store, Optional.empty());
    }

    /// The folder of an artifact on this machine; it may take as long as a download.
    ///
    /// @param location where its manifest's event says that it lies; may be null
    /// @throws EngineException `MODEL_UNREADABLE` if it is nowhere; else as the store says
    public Path folder(String digest, String location) {
        Optional<Path> here = here(digest, location);
        if (here.isPresent()) {
            return here.get();
        }
        return remote.orElseThrow(() -> nowhere(digest, location)).fetch(digest, store);
    }

    private Optional<Path> here(String digest, String location) {
        boolean shared = remote.filter(r -> r.address(digest).equals(location)).isPresent();
        // A shared folder may be seen from here, but is mapped only after it was fetched: what
        // others delete must not be under a model that runs.
        return store.find(digest).or(() -> shared ? Optional.empty() : named(location));
    }

    /// The bytes of all weights, before anything but the manifest has been fetched.
    public long weightBytes(String digest, String location) {
        Optional<Path> here = here(digest, location);
        if (here.isPresent()) {
            return Artifact.weightBytes(here.get());
        }
        RemoteArtifacts source = remote.orElseThrow(() -> nowhere(digest, location));
        if (!source.has(digest)) {
            throw nowhere(digest, location);
        }
        try {
            Path folder = Files.createTempDirectory("tokenlog-manifest");
            try {
                source.fetchManifest(digest, folder);
                return Artifact.weightBytes(folder);
            } finally {
                Files.deleteIfExists(folder.resolve("manifest.json"));
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, "no temporary folder: " + e.getMessage(), e);
        }
    }

    private static Optional<Path> named(String location) {
        try {
            return Optional.ofNullable(location).map(Path::of).filter(Files::isDirectory);
        } catch (InvalidPathException e) {
            return Optional.empty(); // of another machine's file system
        }
    }

    private EngineException nowhere(String digest, String location) {
        return new EngineException(
                Reason.MODEL_UNREADABLE,
                "%s is neither in %s nor at %s%s"
                        .formatted(
                                digest,
                                store.root(),
                                location,
                                remote.map(r -> " nor at " + r.address(digest)).orElse("")));
    }
}
