package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// A weight file in this process's memory. A file that several open artifacts have in common is
/// mapped once, and unmapped when the last of them is closed.
final class MappedFile implements AutoCloseable {

    private static final Map<Key, MappedFile> OPEN = new HashMap<>();

    /// The file on the disk, under whatever name; a file that was written to is another one.
    private record Key(Object file, long bytes, FileTime modified) {

        static Key of(Path path) {
            InputFiles.requireRegular(path);
            try {
                BasicFileAttributes attributes =
                        Files.readAttributes(path, BasicFileAttributes.class);
                Object file = attributes.fileKey();
                return new Key(
                        file == null ? path.toRealPath() : file,
                        attributes.size(),
                        attributes.lastModifiedTime());
            } catch (IOException e) {
                throw InputFiles.unreadable(path, e);
            }
        }
    }

    private final Key key;
    private final Arena arena;
    private final SafetensorsFile file;
    private int users;

    private MappedFile(Key key, Arena arena, SafetensorsFile file) {
        this.key = key;
        this.arena = arena;
        this.file = file;
    }

    /// @throws dev.tokenlog.engine.EngineException as [SafetensorsFile#open]
    static MappedFile open(Path path) {
        Key key = Key.of(path);
        Optional<MappedFile> open = use(key);
        if (open.isPresent()) {
            return open.get();
        }
        // Without the lock: a header that is slow to come holds up nobody who opens another file.
        MappedFile mapped = map(key, path);
        synchronized (OPEN) {
            MappedFile earlier = OPEN.putIfAbsent(key, mapped);
            if (earlier == null) {
                mapped.users++;
                return mapped;
            }
            earlier.users++;
            mapped.arena.close();
            return earlier;
        }
    }

    private static Optional<MappedFile> use(Key key) {
        synchronized (OPEN) {
            Optional<MappedFile> open = Optional.ofNullable(OPEN.get(key));
            open.ifPresent(mapped -> mapped.users++);
            return open;
        }
    }

    private static MappedFile map(Key key, Path path) {
        Arena arena = Arena.ofShared();
        boolean mapped = false;
        try {
            MappedFile file = new MappedFile(key, arena, SafetensorsFile.open(path, arena));
            mapped = true;
            return file;
        } finally {
            if (!mapped) {
                arena.close();
            }
        }
    }

    /// Its path is that of whoever mapped it first.
    SafetensorsFile file() {
        return file;
    }

    /// Call once for each [#open].
    @Override
    public void close() {
        synchronized (OPEN) {
            users--;
            if (users == 0) {
                OPEN.remove(key);
                arena.close();
            }
        }
    }
}
