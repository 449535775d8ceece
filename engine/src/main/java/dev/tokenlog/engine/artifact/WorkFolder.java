package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/// Where a conversion works until its artifact is whole: a lock, so that two conversions never
/// share it; a journal with one line for each finished tensor; and the folder that becomes the
/// artifact. Whoever converts the same source by the same recipe later finds it again.
final class WorkFolder implements AutoCloseable {

    /// Folders that this process holds. POSIX lets go of a process's lock when the process closes
    /// any channel of the file: nobody here may so much as open one that is held.
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private static final long MAX_LOCK_BYTES = 1 << 12;
    private static final int SIZES_ASKED = 4;
    private static final int RENAMES = 3;

    private Path folder;
    private final FileChannel lockChannel;

    private WorkFolder(Path folder, FileChannel lockChannel) {
        this.folder = folder;
        this.lockChannel = lockChannel;
    }

    /// Locks the folder; empty while another conversion, of this process or another, holds it.
    static Optional<WorkFolder> lock(Path path) {
        Path folder = withoutLinks(path.toAbsolutePath().normalize());
        if (!HELD.add(folder)) {
            return Optional.empty();
        }
        boolean locked = false;
        try {
            Files.createDirectories(folder.resolve("artifact"));
            Optional<WorkFolder> work = lockFile(folder);
            locked = work.isPresent();
            return work;
        } catch (FileAlreadyExistsException e) {
            Path obstacle = Path.of(e.getFile());
            if (Files.exists(obstacle, LinkOption.NOFOLLOW_LINKS) && !Files.isDirectory(obstacle)) {
                throw ArtifactStore.failed(folder, e); // a file, or a link to nowhere
            }
            return Optional.empty();
        } catch (NoSuchFileException e) {
            return Optional.empty(); // whoever held it has just deleted it
        } catch (IOException e) {
            throw ArtifactStore.failed(folder, e);
        } finally {
            if (!locked) {
                HELD.remove(folder);
            }
        }
    }

    /// One name for each folder, by whatever links somebody came.
    private static Path withoutLinks(Path folder) {
        try {
            Path parent = Files.createDirectories(folder.getParent()).toRealPath();
            Path named = parent.resolve(folder.getFileName());
            return Files.exists(named) ? named.toRealPath() : named;
        } catch (NoSuchFileException e) {
            return folder; // whoever held it is deleting it; what follows finds out
        } catch (IOException e) {
            throw ArtifactStore.failed(folder, e);
        }
    }

    private static Optional<WorkFolder> lockFile(Path folder) throws IOException {
        Path file = folder.resolve("lock");
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        boolean locked = false;
        try {
            locked = channel.tryLock() != null && isStill(file, channel);
            return locked ? Optional.of(new WorkFolder(folder, channel)) : Optional.empty();
        } catch (OverlappingFileLockException e) {
            return Optional.empty(); // held in this process by way of a link
        } finally {
            if (!locked) {
                channel.close();
            }
        }
    }

    /// Whether the file that was locked still has the name: the folder may have been deleted, and
    /// made again by somebody else, since it was opened. It gets sizes that nobody can know, since
    /// to open the name once more and close it would give the lock away; small ones, for a limit on
    /// the size of files, and several, for another file to have the same by chance.
    private static boolean isStill(Path file, FileChannel locked) throws IOException {
        try {
            for (int i = 0; i < SIZES_ASKED; i++) {
                long size = ThreadLocalRandom.current().nextLong(1, MAX_LOCK_BYTES);
                locked.truncate(0);
                locked.write(ByteBuffer.allocate(1), size - 1);
                if (Files.size(file) != size) {
                    return false;
                }
            }
            return true;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /// The folder that will be renamed to the artifact.
    Path artifact() {
        return folder.resolve("artifact");
    }

    Path path() {
        return folder;
    }

    /// Gives the folder another name, with all that is in it; it stays locked.
    ///
    /// @return whether it did: not where there is such a folder
    boolean rename(String name) {
        Path target = folder.resolveSibling(name);
        if (!HELD.add(target)) {
            return false;
        }
        Path free = target;
        try {
            if (!move(target)) {
                return false;
            }
            free = folder;
            folder = target;
            return true;
        } finally {
            HELD.remove(free);
        }
    }

    private boolean move(Path target) {
        for (int attempt = 1; ; attempt++) {
            try {
                Files.move(folder, target, StandardCopyOption.ATOMIC_MOVE);
                return true;
            } catch (IOException e) {
                if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
                    return false;
                }
                // What was in the way may have been published meanwhile.
                if (attempt == RENAMES) {
                    throw ArtifactStore.failed(target, e);
                }
            }
        }
    }

    /// When a conversion last did something here.
    Instant lastUse() throws IOException {
        Path journal = folder.resolve("journal.jsonl");
        Path newest = Files.exists(journal) ? journal : artifact();
        return Files.getLastModifiedTime(newest).toInstant();
    }

    /// Tensors that an earlier attempt has noted as finished. A line that a crash has cut off is
    /// one that is not finished.
    List<Manifest.Weight> journal() {
        Path journal = folder.resolve("journal.jsonl");
        List<Manifest.Weight> weights = new ArrayList<>();
        if (Files.exists(journal)) {
            try {
                String text = new String(Files.readAllBytes(journal), StandardCharsets.UTF_8);
                for (String line : text.lines().toList()) {
                    parse(line).ifPresent(weights::add);
                }
            } catch (IOException e) {
                throw ArtifactStore.failed(journal, e);
            }
        }
        return weights;
    }

    private static Optional<Manifest.Weight> parse(String line) {
        try {
            return Optional.ofNullable(ManifestFile.weight(line));
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    /// Notes a tensor as finished.
    void note(Manifest.Weight weight) {
        Path journal = folder.resolve("journal.jsonl");
        try {
            Files.writeString(
                    journal,
                    ManifestFile.line(weight) + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw ArtifactStore.failed(journal, e);
        }
    }

    /// Replaces the journal by these lines, at the beginning of an attempt: what was cut off or
    /// does not match its digest is gone.
    void restart(List<Manifest.Weight> weights) {
        Path journal = folder.resolve("journal.jsonl");
        try {
            StringBuilder text = new StringBuilder();
            weights.forEach(weight -> text.append(ManifestFile.line(weight)).append('\n'));
            Files.writeString(journal, text.toString());
        } catch (IOException e) {
            throw ArtifactStore.failed(journal, e);
        }
    }

    @Override
    public void close() {
        try {
            lockChannel.close();
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, folder + ": cannot be unlocked: " + e.getMessage(), e);
        } finally {
            HELD.remove(folder);
        }
    }
}
