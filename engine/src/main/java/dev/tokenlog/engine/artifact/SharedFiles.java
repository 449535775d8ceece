package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.artifact.ConversionListener.FileShared;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/// Weight files of equal bytes in several artifacts of a store become one file on the disk with
/// several names (hard links). The names go on to live and die by themselves: deleting an artifact
/// takes nothing from another. Files are compared byte by byte, so that a damaged one is never
/// taken for its twin.
///
/// This happens to artifacts that are whole and in the store, never to files that are still being
/// written: those may be written again by the next attempt, and a write into a shared file would
/// reach the other model. See `docs/decisions/0142-one-file-for-a-shared-embedding.md`.
final class SharedFiles {

    /// One at a time in this process; the file lock is for the others.
    private static final ReentrantLock ONE_AT_A_TIME = new ReentrantLock();

    private static final String LOCK = ".sharing.lock";
    private static final String LINK = ".sharing.link";

    private final ArtifactStore store;
    private final Linker linker;

    /// Makes a hard link, or says why not.
    @FunctionalInterface
    interface Linker {

        void link(Path link, Path existing) throws IOException;
    }

    SharedFiles(ArtifactStore store, Linker linker) {
        this.store = store;
        this.linker = linker;
    }

    private record Twin(Path file, String digest) {}

    List<FileShared> share(String digest) {
        List<Path> files = weightFiles(store.root().resolve(digest));
        boolean somethingToDo = false;
        for (Path file : files) {
            somethingToDo |= twin(file, digest).isPresent();
        }
        if (!somethingToDo) {
            return List.of(); // and no lock file in a store that shares nothing
        }
        ONE_AT_A_TIME.lock();
        try (FileChannel channel =
                        FileChannel.open(
                                store.root().resolve(LOCK),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE);
                FileLock lock = channel.lock()) {
            List<FileShared> shared = new ArrayList<>();
            for (Path file : files) {
                Optional<Twin> twin = twin(file, digest);
                if (twin.isPresent() && lock.isValid()) {
                    shared.add(share(file, twin.get()));
                }
            }
            return shared;
        } catch (IOException e) {
            throw ArtifactStore.failed(store.root(), e);
        } finally {
            ONE_AT_A_TIME.unlock();
        }
    }

    private FileShared share(Path file, Twin twin) throws IOException {
        String name = file.getFileName().toString();
        long bytes = Files.size(file);
        if (Files.isSameFile(file, twin.file())) {
            return new FileShared(name, bytes, twin.digest(), null);
        }
        Path link = store.root().resolve(LINK);
        Files.deleteIfExists(link); // of a process that was killed here
        try {
            linker.link(link, twin.file());
            Files.move(
                    link,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            return new FileShared(name, bytes, twin.digest(), null);
        } catch (IOException | UnsupportedOperationException e) {
            Files.deleteIfExists(link);
            String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            return new FileShared(name, bytes, twin.digest(), why);
        }
    }

    /// A file of another artifact with the same bytes: the same file already, or a copy.
    private Optional<Twin> twin(Path file, String digest) {
        Optional<Twin> copy = Optional.empty();
        for (String other : store.list()) {
            if (other.equals(digest)) {
                continue;
            }
            for (Path candidate : weightFiles(store.root().resolve(other))) {
                if (areSame(file, candidate)) {
                    return Optional.of(new Twin(candidate, other));
                }
                if (copy.isEmpty() && areEqual(file, candidate)) {
                    copy = Optional.of(new Twin(candidate, other));
                }
            }
        }
        return copy;
    }

    private static boolean areSame(Path one, Path other) {
        try {
            return Files.isSameFile(one, other);
        } catch (IOException e) {
            return false; // deleted meanwhile, or not to be read: no twin
        }
    }

    private static boolean areEqual(Path one, Path other) {
        try {
            return Files.size(one) == Files.size(other) && Files.mismatch(one, other) < 0;
        } catch (IOException e) {
            return false; // deleted meanwhile, or not to be read: no twin
        }
    }

    /// Sorted; none where the folder has gone.
    static List<Path> weightFiles(Path artifact) {
        try (Stream<Path> files = Files.list(artifact)) {
            return files.filter(file ->
                            StoredWeights.isWeightFile(file.getFileName().toString())
                                    && Files.isRegularFile(file))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }
}
