package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.nio.file.Path;
import java.util.Map;

/// A model's files at one commit, in the cache.
///
/// @param id the repository at its commit
/// @param asked the revision that was asked for
/// @param folder the snapshot: a Hugging Face folder like any other
/// @param sha256 of its large files, by name, as the hub states it
/// @param fromNetwork whether the hub was asked; else the cache alone
public record HubSnapshot(
        HubId id, String asked, Path folder, Map<String, String> sha256, boolean fromNetwork) {

    public HubSnapshot {
        sha256 = Map.copyOf(sha256);
    }

    /// What to open: the folder, or the GGUF file in it that was asked for.
    public Path path() {
        return id.file().map(folder::resolve).orElse(folder);
    }

    /// Compares what somebody has read to the end with what the hub states.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE` naming the file that was damaged since
    public void requireDigest(String file, String found) {
        String stated = sha256.get(file);
        if (stated != null && !stated.equals(found)) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: %s has the SHA-256 %s, but the hub states %s: the file in the cache is damaged; delete %s and ask again"
                            .formatted(id, file, found, stated, target(folder.resolve(file))));
        }
    }

    private static Path target(Path pointer) {
        return HubCache.digestOf(pointer)
                .map(digest ->
                        pointer.getParent().getParent().resolveSibling("blobs").resolve(digest))
                .orElse(pointer);
    }
}
