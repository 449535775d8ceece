package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Where a conversion works until its artifact is whole: a lock, so that two conversions never
/// share it; a journal with one line for each finished tensor; and the folder that becomes the
/// artifact. Whoever converts the same source by the same recipe later finds it again.
final class WorkFolder implements AutoCloseable {

    private final Path folder;
    private final FileChannel lockChannel;
    private final FileLock lock;

    private WorkFolder(Path folder, FileChannel lockChannel, FileLock lock) {
        this.folder = folder;
        this.lockChannel = lockChannel;
        this.lock = lock;
    }

    /// Locks the folder; empty while another conversion, of this process or another, holds it.
    static Optional<WorkFolder> lock(Path folder) {
        try {
            Files.createDirectories(folder.resolve("artifact"));
            Path file = folder.resolve("lock");
            FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = tryLock(channel);
            boolean deletedMeanwhile = !Files.exists(file);
            if (lock == null || deletedMeanwhile) {
                channel.close();
                return Optional.empty();
            }
            return Optional.of(new WorkFolder(folder, channel, lock));
        } catch (IOException e) {
            throw ArtifactStore.failed(folder, e);
        }
    }

    private static FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // held in this process
        }
    }

    /// The folder that will be renamed to the artifact.
    Path artifact() {
        return folder.resolve("artifact");
    }

    Path path() {
        return folder;
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
            lock.close();
            lockChannel.close();
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, folder + ": cannot be unlocked: " + e.getMessage(), e);
        }
    }
}
