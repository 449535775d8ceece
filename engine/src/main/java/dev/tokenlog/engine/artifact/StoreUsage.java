package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;

/// What the artifacts of a store take on the disk.
///
/// @param artifacts sorted by digest
/// @param bytes of all artifacts, each counted by itself
/// @param bytesOnDisk with each file counted once, however many artifacts share it
public record StoreUsage(List<Entry> artifacts, long bytes, long bytesOnDisk) {

    /// One artifact.
    ///
    /// @param name of the model, null where the manifest cannot be read
    /// @param recipe null where the manifest does not say
    /// @param bytes of its files
    /// @param sharedBytes of them that other artifacts have as well, as the same file
    /// @param sharedWith digests of those artifacts
    /// @param problem why the manifest cannot be read; else null
    public record Entry(
            String digest,
            String name,
            String recipe,
            long bytes,
            long sharedBytes,
            List<String> sharedWith,
            String problem) {}

    private record Found(long bytes, Object key, String digest) {}

    static StoreUsage of(ArtifactStore store) {
        Map<String, List<Found>> filesOf = new HashMap<>();
        Map<Object, TreeSet<String>> usersOf = new HashMap<>();
        long all = 0;
        long once = 0;
        List<String> digests = store.list();
        for (String digest : digests) {
            List<Found> files = files(store.root().resolve(digest), digest);
            filesOf.put(digest, files);
            for (Found file : files) {
                TreeSet<String> users = usersOf.computeIfAbsent(file.key(), _ -> new TreeSet<>());
                all += file.bytes();
                once += users.isEmpty() ? file.bytes() : 0;
                users.add(digest);
            }
        }
        List<Entry> entries = new ArrayList<>();
        for (String digest : digests) {
            long bytes = 0;
            long shared = 0;
            TreeSet<String> with = new TreeSet<>();
            for (Found file : filesOf.get(digest)) {
                bytes += file.bytes();
                TreeSet<String> users = usersOf.get(file.key());
                if (users.size() > 1) {
                    shared += file.bytes();
                    with.addAll(users);
                }
            }
            with.remove(digest);
            entries.add(entry(store, digest, bytes, shared, List.copyOf(with)));
        }
        return new StoreUsage(List.copyOf(entries), all, once);
    }

    private static Entry entry(
            ArtifactStore store, String digest, long bytes, long shared, List<String> with) {
        Path file = store.root().resolve(digest).resolve(ModelFiles.MANIFEST);
        try {
            Manifest manifest = ManifestFile.read(StrictJson.bytes(file), file);
            return new Entry(
                    digest,
                    manifest.model() == null ? null : manifest.model().name(),
                    manifest.recipe() == null ? null : manifest.recipe().canonical(),
                    bytes,
                    shared,
                    with,
                    null);
        } catch (EngineException e) {
            return new Entry(digest, null, null, bytes, shared, with, e.getMessage());
        }
    }

    private static List<Found> files(Path folder, String digest) {
        List<Found> files = new ArrayList<>();
        try (Stream<Path> list = Files.list(folder)) {
            for (Path file : list.toList()) {
                BasicFileAttributes attributes =
                        Files.readAttributes(file, BasicFileAttributes.class);
                Object key = attributes.fileKey();
                files.add(new Found(attributes.size(), key == null ? file : key, digest));
            }
        } catch (NoSuchFileException e) {
            return List.of(); // deleted meanwhile
        } catch (IOException e) {
            throw ArtifactStore.failed(folder, e);
        }
        return files;
    }
}
