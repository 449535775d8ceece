package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;

/// Artifacts by digest in a folder of the file system: `<root>/sha256-<digest>/`. An artifact
/// appears there by one rename, when all of it has reached the disk; what is not finished lies
/// under `<root>/.work/` and never loads.
public final class ArtifactStore {

    private static final String WORK = ".work";
    private static final String OWNER = ".cluster-id";

    /// Begins the names of folders that are being deleted. Nobody may lock one: that makes files in
    /// it.
    private static final String DOOMED = "deleted-";

    /// Begins the names of folders of conversions that do not know yet what they convert: nobody
    /// goes on with one whose process has ended.
    static final String BEGUN = "begun-";

    /// A deletion that has not gone on for so long was cut off.
    private static final Duration DELETION = Duration.ofMinutes(10);

    private static final Duration WAIT_FOR_OTHERS = Duration.ofMillis(100);

    private final Path root;
    private final SharedFiles.Linker linker;

    /// Creates nothing before the first conversion.
    public ArtifactStore(Path root) {
        this(root, Files::createLink);
    }

    /// @param linker makes hard links
    ArtifactStore(Path root, SharedFiles.Linker linker) {
        this.root = root.toAbsolutePath().normalize();
        this.linker = linker;
    }

    public Path root() {
        return root;
    }

    /// The folder of an artifact, if it is there.
    ///
    /// @param digest `sha256-` and 64 hex digits; anything else is never found
    public Optional<Path> find(String digest) {
        if (!Digests.isModelDigest(digest)) {
            return Optional.empty();
        }
        Path folder = root.resolve(digest);
        return Files.isRegularFile(folder.resolve(ModelFiles.MANIFEST))
                ? Optional.of(folder)
                : Optional.empty();
    }

    /// Digests of all artifacts, sorted.
    public List<String> list() {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> folders = Files.list(root)) {
            return folders.map(folder -> folder.getFileName().toString())
                    .filter(name -> find(name).isPresent())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw failed(root, e);
        }
    }

    /// Opens an artifact by its digest.
    ///
    /// @throws EngineException `MODEL_UNREADABLE` when it is not there or broken
    public Artifact open(String digest, boolean verifyDigests) {
        Path folder =
                find(digest)
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.MODEL_UNREADABLE,
                                        root + ": there is no artifact " + digest));
        return Artifact.open(folder, verifyDigests);
    }

    /// The working folder of a conversion, locked. While another conversion holds the one that
    /// belongs to the key, a further one is made beside it.
    WorkFolder work(String key) {
        for (int number = 0; ; number++) {
            String name = number == 0 ? key : key + "-" + number;
            Optional<WorkFolder> work = WorkFolder.lock(root.resolve(WORK).resolve(name));
            if (work.isPresent()) {
                return work.get();
            }
        }
    }

    /// Gives a finished working folder its name. Where an artifact of this digest is there already,
    /// that one stays, unless it turns out to be broken.
    Path publish(WorkFolder work, String digest) {
        Path target = root.resolve(digest);
        try {
            syncFolder(work.artifact());
            if (Files.exists(target) && !isWhole(target)) {
                Files.move(target, work.path().resolve("broken"), StandardCopyOption.ATOMIC_MOVE);
            }
            if (!Files.exists(target)) {
                rename(work.artifact(), target);
                syncFolder(root);
            }
            // It is new again, also for who deletes what is old and not yet named anywhere.
            Files.setLastModifiedTime(
                    target.resolve(ModelFiles.MANIFEST), FileTime.from(Instant.now()));
            remove(work.path());
            return target;
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    /// Fills the working folder of an artifact that comes from elsewhere.
    @FunctionalInterface
    public interface Filling {

        /// What an earlier attempt has left is still there. Whatever is thrown ends the attempt,
        /// and leaves what is there for the next one.
        ///
        /// @param artifact becomes the artifact
        /// @param notes for notes on what is done already
        void fill(Path artifact, Path notes);
    }

    /// Takes in an artifact from elsewhere: it appears when every byte of it has been compared with
    /// the digests. Whoever asks for the same one meanwhile, in this process or another, waits.
    ///
    /// @throws EngineException `MODEL_UNREADABLE`, naming the tensor or file, if it is not what its
    ///   name says; all of it has to come again then
    public Path receive(String digest, Filling filling) {
        if (!Digests.isModelDigest(digest)) {
            throw new IllegalArgumentException(digest + " is no model digest");
        }
        Path folder = root.resolve(WORK).resolve("fetch-" + digest);
        Optional<WorkFolder> locked = WorkFolder.lock(folder);
        while (locked.isEmpty()) {
            if (find(digest).isPresent()) {
                return root.resolve(digest);
            }
            pause(folder);
            locked = WorkFolder.lock(folder);
        }
        try (WorkFolder work = locked.get()) {
            if (find(digest).isEmpty()) {
                filling.fill(work.artifact(), work.path());
                verifyReceived(work, digest);
                publish(work, digest);
                share(digest);
            } else {
                discard(work); // made after somebody else had published it
            }
            return root.resolve(digest);
        }
    }

    private static void pause(Path folder) {
        try {
            Thread.sleep(WAIT_FOR_OTHERS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException(folder + ": interrupted");
        }
    }

    private void verifyReceived(WorkFolder work, String digest) {
        try (Artifact artifact = Artifact.open(work.artifact(), true)) {
            if (artifact.digest().equals(Optional.of(digest))) {
                return;
            }
        } catch (EngineException e) {
            discard(work);
            throw e;
        }
        discard(work);
        throw new EngineException(Reason.MODEL_UNREADABLE, work.artifact() + ": is not " + digest);
    }

    /// Out of the way by one rename first: whoever waits for the folder makes a new one, and puts
    /// nothing into this one while it is emptied.
    private void remove(Path folder) throws IOException {
        Path doomed = root.resolve(WORK).resolve(DOOMED + UUID.randomUUID());
        Files.move(folder, doomed, StandardCopyOption.ATOMIC_MOVE);
        try {
            delete(doomed);
        } catch (IOException e) {
            // Nobody finds it under this name; what is left goes with the leftovers.
        }
    }

    /// Deletes a working folder: there is nothing in it to go on with.
    void discard(WorkFolder work) {
        try {
            remove(work.path());
        } catch (IOException e) {
            throw failed(work.path(), e);
        }
    }

    /// When an artifact came into the store or a conversion gave it again; empty if it is not
    /// there.
    public Optional<Instant> lastPublished(String digest) {
        return find(digest)
                .map(folder -> {
                    Path manifest = folder.resolve(ModelFiles.MANIFEST);
                    try {
                        return Files.getLastModifiedTime(manifest).toInstant();
                    } catch (IOException e) {
                        throw failed(manifest, e);
                    }
                });
    }

    /// Deletes an artifact, unless it came or came again after this time. It disappears by one
    /// rename; a process that has it mapped keeps its bytes until it lets go of them.
    ///
    /// @return whether it was deleted
    public boolean delete(String digest, Instant notAfter) {
        if (lastPublished(digest).filter(time -> !time.isAfter(notAfter)).isEmpty()) {
            return false;
        }
        Path folder = root.resolve(digest);
        Path doomed = root.resolve(WORK).resolve("deleted-" + UUID.randomUUID());
        try {
            Files.createDirectories(doomed);
            Files.move(folder, doomed.resolve(digest), StandardCopyOption.ATOMIC_MOVE);
            delete(doomed);
            return true;
        } catch (IOException e) {
            throw failed(folder, e);
        }
    }

    /// Lets the weight files of an artifact be the same files as equal ones of other artifacts.
    ///
    /// @return the files that others have as well, whether or not they could become one
    public List<ConversionListener.FileShared> share(String digest) {
        return new SharedFiles(this, linker).share(digest);
    }

    /// The cluster whose log says what here is garbage; empty where none has said so yet.
    public Optional<String> owner() {
        Path note = ownerNote();
        try {
            return Optional.of(Files.readString(note).strip()).filter(id -> !id.isEmpty());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw InputFiles.unreadable(note, e);
        }
    }

    /// Where that stands.
    public Path ownerNote() {
        return root.resolve(OWNER);
    }

    /// Notes it.
    public void claim(String clusterId) {
        writeDurably(ownerNote(), (clusterId + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /// What each artifact takes, and what several have in common. Reads no weights.
    public StoreUsage usage() {
        return StoreUsage.of(this);
    }

    private static void rename(Path from, Path target) throws IOException {
        try {
            Files.move(from, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            boolean publishedMeanwhile = Files.isRegularFile(target.resolve(ModelFiles.MANIFEST));
            if (!publishedMeanwhile) {
                throw e;
            }
        }
    }

    private static boolean isWhole(Path folder) {
        try (Artifact artifact = Artifact.open(folder, true)) {
            return artifact.digest().isPresent();
        } catch (EngineException e) {
            if (e.reason() == Reason.MODEL_UNREADABLE) {
                return false;
            }
            throw e;
        }
    }

    /// Deletes what conversions have left that nobody has gone on with for this long.
    ///
    /// @return how many leftovers were deleted
    public int deleteLeftovers(Duration olderThan) {
        Path work = root.resolve(WORK);
        if (!Files.isDirectory(work)) {
            return 0;
        }
        Instant limit = Instant.now().minus(olderThan);
        int deleted = 0;
        try (Stream<Path> folders = Files.list(work)) {
            for (Path folder : folders.filter(Files::isDirectory).toList()) {
                if (folder.getFileName().toString().startsWith(DOOMED)) {
                    deleted += deleteDoomed(folder, limit) ? 1 : 0;
                    continue;
                }
                boolean worthless = folder.getFileName().toString().startsWith(BEGUN);
                deleted += deleteFree(folder, worthless ? Instant.MAX : limit) ? 1 : 0;
            }
        } catch (IOException e) {
            throw failed(work, e);
        }
        return deleted;
    }

    /// Deletes what nobody will find: of conversions that ended before they knew what they convert,
    /// and of deletions that were cut off. What cannot be deleted stays.
    void sweep() {
        Path work = root.resolve(WORK);
        if (!Files.isDirectory(work)) {
            return;
        }
        try (Stream<Path> folders = Files.list(work)) {
            folders.forEach(this::sweep);
        } catch (IOException e) {
            throw failed(work, e);
        }
    }

    private void sweep(Path folder) {
        String name = folder.getFileName().toString();
        try {
            if (name.startsWith(BEGUN)) {
                deleteFree(folder, Instant.MAX);
            } else if (name.startsWith(DOOMED)) {
                deleteDoomed(folder, Instant.now().minus(DELETION));
            }
        } catch (IOException | EngineException e) {
            // Somebody else's: no reason not to convert.
        }
    }

    /// Deletes a working folder that nobody holds and nobody has used since.
    private boolean deleteFree(Path folder, Instant limit) throws IOException {
        Optional<WorkFolder> free = WorkFolder.lock(folder);
        if (free.isEmpty()) {
            return false;
        }
        try (WorkFolder locked = free.get()) {
            boolean old = locked.lastUse().isBefore(limit);
            if (old) {
                remove(folder);
            }
            return old;
        }
    }

    /// What somebody began to delete, unless that may be going on.
    private static boolean deleteDoomed(Path folder, Instant limit) throws IOException {
        try {
            if (Files.getLastModifiedTime(folder).toInstant().isBefore(limit)) {
                delete(folder);
                return true;
            }
        } catch (NoSuchFileException e) {
            // Somebody else has ended it.
        }
        return false;
    }

    /// Writes a small file so that it is there whole or not at all, even after a power failure.
    public static void writeDurably(Path file, byte[] bytes) {
        durably(file, new ByteArrayInputStream(bytes));
    }

    /// Copies a file so that it is there whole or not at all, even after a power failure.
    static void copyDurably(Path from, Path to) {
        InputFiles.requireRegular(from);
        try (InputStream in = Files.newInputStream(from)) {
            durably(to, in);
        } catch (IOException e) {
            throw InputFiles.unreadable(from, e);
        }
    }

    /// Makes a folder of small files, if it is not there.
    static void createFolder(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw failed(folder, e);
        }
    }

    private static void durably(Path file, InputStream content) {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(
                            temporary,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE)) {
                content.transferTo(Channels.newOutputStream(channel));
                channel.force(true);
            }
            Files.move(
                    temporary,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw failed(file, e);
        }
    }

    /// Makes renames in a folder survive a power failure, where the operating system can do that.
    private static void syncFolder(Path folder) throws IOException {
        if (File.separatorChar == '/') {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        Files.walkFileTree(
                folder,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path directory, IOException failure)
                            throws IOException {
                        if (failure != null) {
                            throw failure;
                        }
                        Files.delete(directory);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }

    /// The error of a file or folder that cannot be written, with its path and the space that is
    /// left.
    static RuntimeException failed(Path path, IOException e) {
        if (e instanceof ClosedByInterruptException) {
            CancellationException cancelled = new CancellationException(path + ": interrupted");
            cancelled.initCause(e);
            return cancelled;
        }
        return new EngineException(
                Reason.STORAGE_FAILED, path + ": cannot be written: " + describe(path, e), e);
    }

    private static String describe(Path path, IOException e) {
        String cause = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        Path existing = path;
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        if (existing == null) {
            return cause;
        }
        try {
            FileStore store = Files.getFileStore(existing);
            return "%s (%d MiB free)".formatted(cause, store.getUsableSpace() >> 20);
        } catch (IOException f) {
            e.addSuppressed(f);
            return cause;
        }
    }
}
