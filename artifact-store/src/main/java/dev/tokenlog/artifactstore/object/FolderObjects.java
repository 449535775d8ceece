package dev.tokenlog.artifactstore.object;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/// A folder that several machines see.
final class FolderObjects implements ObjectStore {

    /// Of files that are being written.
    private static final String UNFINISHED = ".unfinished-";

    private final Path root;

    FolderObjects(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    private Path file(String key) {
        Path file = root.resolve(key).normalize();
        if (!file.startsWith(root) || file.equals(root)) {
            throw new IllegalArgumentException("'" + key + "' is no key");
        }
        return file;
    }

    @Override
    public String address(String key) {
        return root.resolve(key).toString();
    }

    @Override
    public OptionalLong size(String key) {
        try {
            return OptionalLong.of(Files.size(file(key)));
        } catch (NoSuchFileException e) {
            return OptionalLong.empty();
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNAVAILABLE, address(key) + ": " + e.getMessage(), e);
        }
    }

    @Override
    public InputStream read(String key, long from, long length) throws IOException {
        FileChannel channel = FileChannel.open(file(key), StandardOpenOption.READ);
        try {
            if (channel.size() < from + length) {
                throw new EOFException(address(key) + ": " + channel.size() + " bytes");
            }
            channel.position(from);
            return new BoundedStream(Channels.newInputStream(channel), length);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    @Override
    public void write(String key, Path from) {
        Path target = file(key);
        Path unfinished = target.resolveSibling(UNFINISHED + UUID.randomUUID());
        try {
            Files.createDirectories(target.getParent());
            try {
                Files.copy(from, unfinished);
                try (FileChannel channel = FileChannel.open(unfinished, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
                Files.move(
                        unfinished,
                        target,
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(unfinished);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    address(key) + ": cannot be written: " + e.getMessage(),
                    e);
        }
    }

    @Override
    public void delete(String key) {
        Path file = file(key);
        try {
            Files.deleteIfExists(file);
            Path folder = file.getParent();
            while (!folder.equals(root) && Files.isDirectory(folder) && isEmpty(folder)) {
                Files.deleteIfExists(folder);
                folder = folder.getParent();
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    address(key) + ": cannot be deleted: " + e.getMessage(),
                    e);
        }
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    @Override
    public List<Entry> list(String prefix) {
        Path start = root.resolve(prefix.substring(0, prefix.lastIndexOf('/') + 1));
        if (!Files.isDirectory(start)) {
            return List.of();
        }
        List<Entry> entries = new ArrayList<>();
        try {
            // The folder itself may be a link; links within it are nobody's objects.
            Path real = root.toRealPath();
            Files.walkFileTree(
                    start.toRealPath(),
                    Set.of(),
                    8,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes found) {
                            String key = real.relativize(file).toString().replace('\\', '/');
                            if (key.startsWith(prefix) && found.isRegularFile()) {
                                entries.add(
                                        new Entry(
                                                key,
                                                found.size(),
                                                found.lastModifiedTime().toInstant()));
                            }
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path file, IOException e)
                                throws IOException {
                            return goOnIfGone(e);
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(Path folder, IOException e)
                                throws IOException {
                            return e == null ? FileVisitResult.CONTINUE : goOnIfGone(e);
                        }

                        /// Another process has deleted or renamed it since.
                        private FileVisitResult goOnIfGone(IOException e) throws IOException {
                            if (e instanceof NoSuchFileException) {
                                return FileVisitResult.CONTINUE;
                            }
                            throw e;
                        }
                    });
            return entries;
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNAVAILABLE, root + ": cannot be listed: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {}
}
