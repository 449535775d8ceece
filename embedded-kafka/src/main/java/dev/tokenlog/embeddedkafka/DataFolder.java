package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.IOException;
import java.io.Writer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/// The files of one broker, and the checks that turn a bad folder into one clear sentence instead
/// of a broker that dies somewhere inside.
record DataFolder(Path root) {

    /// Segments, indexes and metadata of an idle platform take about 1 MiB; memory-mapped index
    /// files on a full disk end the JVM with a bus error, so a reserve is asked for beforehand.
    private static final long MINIMUM_FREE_BYTES = 128L << 20;

    Path serverProperties() {
        return root.resolve("server.properties");
    }

    Path logDir() {
        return root.resolve("log");
    }

    Path brokerLog() {
        return root.resolve("broker.log");
    }

    /// Creates the folder and tries it: exists, can be written, has room.
    void prepare() {
        try {
            Files.createDirectories(logDir());
            Path probe = Files.createTempFile(root, "probe", null);
            Files.delete(probe);
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.FOLDER_NOT_WRITABLE,
                    "the data folder %s cannot be written (%s): give another one, or the right to write it"
                            .formatted(root, describe(e)),
                    e);
        }
        long free = freeBytes();
        if (free < MINIMUM_FREE_BYTES) {
            throw new EmbeddedKafkaException(
                    Reason.DISK_FULL,
                    "the disk of the data folder %s is full (%d MiB free, a broker needs %d MiB): free some space or give another folder"
                            .formatted(root, free >> 20, MINIMUM_FREE_BYTES >> 20));
        }
    }

    /// Held as long as the broker runs. The file stays, the lock goes with the process.
    FileLock lock() {
        Path file = root.resolve("broker.lock");
        FileChannel channel = null;
        try {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = channel.tryLock();
            if (lock == null) {
                channel.close();
                throw locked();
            }
            return lock;
        } catch (OverlappingFileLockException e) {
            closeQuietly(channel, e);
            throw locked();
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.FOLDER_NOT_WRITABLE,
                    "the lock file %s cannot be written (%s)".formatted(file, describe(e)),
                    e);
        }
    }

    /// Opens a file, which may hold passwords, for writing: nobody else reads it, where the system
    /// knows such rights.
    static Writer ownersFile(Path file) throws IOException {
        if (file.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            if (!Files.exists(file)) {
                Files.createFile(file);
            }
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
        return Files.newBufferedWriter(file);
    }

    static void release(FileLock lock) {
        try {
            lock.channel().close();
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "the broker's lock file could not be closed: " + e.getMessage(),
                    e);
        }
    }

    private EmbeddedKafkaException locked() {
        return new EmbeddedKafkaException(
                Reason.FOLDER_LOCKED,
                "another broker works on the data folder %s: stop it, or give another folder"
                        .formatted(root));
    }

    private long freeBytes() {
        try {
            return Files.getFileStore(root).getUsableSpace();
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.FOLDER_NOT_WRITABLE,
                    "the free space of %s cannot be asked for (%s)".formatted(root, describe(e)),
                    e);
        }
    }

    private static void closeQuietly(FileChannel channel, Exception because) {
        try {
            channel.close();
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }

    static String describe(IOException e) {
        String kind = e.getClass().getSimpleName().replace("Exception", "");
        return e.getMessage() == null ? kind : kind + ": " + e.getMessage();
    }
}
