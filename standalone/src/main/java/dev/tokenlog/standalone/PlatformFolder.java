package dev.tokenlog.standalone;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Everything that a platform keeps: `kafka/` the log, `artifacts/` the models, `streams/` what can
/// be made again from the log, `tokenlog.log`, and `platform.properties` while it runs. One
/// platform at a time.
final class PlatformFolder implements AutoCloseable {

    private final Path root;
    private final FileLock lock;

    private PlatformFolder(Path root, FileLock lock) {
        this.root = root;
        this.lock = lock;
    }

    /// Creates the folder if it is missing, and holds it.
    ///
    /// @throws PlatformException if it cannot be written or another platform runs on it
    static PlatformFolder open(Path folder) {
        Path root = folder.toAbsolutePath().normalize();
        try {
            Files.createDirectories(root);
            for (String part : new String[] {"kafka", "artifacts", "streams"}) {
                Files.createDirectories(root.resolve(part));
            }
            FileChannel channel =
                    FileChannel.open(
                            root.resolve("platform.lock"),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE);
            FileLock lock = channel.tryLock();
            if (lock == null) {
                channel.close();
                throw new PlatformException(
                        "another platform runs on %s: stop it, or give another folder with --data"
                                .formatted(root),
                        null);
            }
            return new PlatformFolder(root, lock);
        } catch (IOException e) {
            throw new PlatformException(
                    "the data folder %s cannot be written (%s): give another one with --data, or the right to write it"
                            .formatted(root, describe(e)),
                    e);
        }
    }

    private static String describe(IOException e) {
        String kind = e.getClass().getSimpleName().replace("Exception", "");
        return e.getMessage() == null ? kind : kind + ": " + e.getMessage();
    }

    Path root() {
        return root;
    }

    Path kafka() {
        return root.resolve("kafka");
    }

    Path artifacts() {
        return root.resolve("artifacts");
    }

    Path log() {
        return root.resolve("tokenlog.log");
    }

    @Override
    public void close() {
        try {
            lock.channel().close();
        } catch (IOException e) {
            throw new PlatformException("the lock of %s cannot be released".formatted(root), e);
        }
    }
}
