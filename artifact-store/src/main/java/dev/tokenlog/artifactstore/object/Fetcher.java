package dev.tokenlog.artifactstore.object;

import dev.tokenlog.artifactstore.object.RemoteArtifacts.Download;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Fetches files in pieces, several at once. Which pieces are done stands in a file of notes for
/// each, so that an attempt goes on where the one before was cut off; a piece is noted after its
/// bytes are in the file.
final class Fetcher {

    static final int PIECE = 16 << 20;
    private static final int AT_ONCE = 8;
    private static final int ATTEMPTS = 5;
    private static final long FIRST_PAUSE_MS = 200;
    private static final int BUFFER = 1 << 17;

    /// Puts bytes at a place of a file.
    @FunctionalInterface
    interface Disk {
        int write(FileChannel file, ByteBuffer bytes, long position) throws IOException;
    }

    private final ObjectStore objects;
    private final Path folder;
    private final Path notes;
    private final Disk disk;

    Fetcher(ObjectStore objects, Path folder, Path notes) {
        this(objects, folder, notes, FileChannel::write);
    }

    Fetcher(ObjectStore objects, Path folder, Path notes, Disk disk) {
        this.disk = disk;
        this.objects = objects;
        this.folder = folder;
        this.notes = notes;
    }

    private record Piece(Download download, int number, long from, int length) {}

    /// @throws EngineException as [ObjectStore] says; whatever has arrived stays
    void fetch(List<Download> downloads) {
        List<Piece> pieces = new ArrayList<>();
        for (Download each : downloads) {
            pieces.addAll(missing(each));
        }
        ExecutorService pool =
                Executors.newFixedThreadPool(
                        AT_ONCE, Thread.ofVirtual().name("fetch-", 0).factory());
        try {
            List<Future<?>> running = new ArrayList<>();
            pieces.forEach(piece -> running.add(pool.submit(() -> fetch(piece))));
            for (Future<?> each : running) {
                await(each);
            }
        } finally {
            pool.shutdownNow();
            pool.close();
        }
    }

    private void await(Future<?> piece) {
        try {
            piece.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException(folder + ": interrupted");
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case EngineException known -> known;
                case RuntimeException other -> other;
                default -> new IllegalStateException(e.getCause());
            };
        }
    }

    /// A small file, always from its beginning.
    void fetchWhole(Download download) {
        try {
            Files.deleteIfExists(folder.resolve(download.name()));
            prepare(download);
        } catch (IOException e) {
            throw cannotWrite(download, e);
        }
        fetch(new Piece(download, -1, 0, Math.toIntExact(download.bytes())));
    }

    private List<Piece> missing(Download download) {
        try {
            boolean begun = prepare(download);
            BitSet done = begun ? noted(download) : new BitSet();
            if (!begun) {
                Files.deleteIfExists(notesOf(download));
            }
            List<Piece> pieces = new ArrayList<>();
            for (int n = 0; (long) n * PIECE < download.bytes(); n++) {
                long from = (long) n * PIECE;
                if (!done.get(n)) {
                    int length = (int) Math.min(PIECE, download.bytes() - from);
                    pieces.add(new Piece(download, n, from, length));
                }
            }
            return pieces;
        } catch (IOException e) {
            throw cannotWrite(download, e);
        }
    }

    /// @return whether a file of this size was there already
    private boolean prepare(Download download) throws IOException {
        Path file = folder.resolve(download.name());
        Files.createDirectories(file.getParent());
        boolean begun = Files.exists(file) && Files.size(file) == download.bytes();
        if (!begun) {
            try (FileChannel channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE)) {
                if (download.bytes() > 0) {
                    channel.write(ByteBuffer.allocate(1), download.bytes() - 1);
                }
            }
        }
        return begun;
    }

    private Path notesOf(Download download) {
        return notes.resolve(download.name().replace('/', '_') + ".pieces");
    }

    private BitSet noted(Download download) throws IOException {
        BitSet done = new BitSet();
        try {
            String text = Files.readString(notesOf(download), StandardCharsets.US_ASCII);
            // A line that was cut off has no end: it counts for nothing.
            for (String line : text.substring(0, text.lastIndexOf('\n') + 1).split("\n")) {
                if (line.matches("[0-9]{1,9}")) {
                    done.set(Integer.parseInt(line));
                }
            }
        } catch (NoSuchFileException e) {
            return done; // nothing is done
        }
        return done;
    }

    private void fetch(Piece piece) {
        Download download = piece.download();
        try (FileChannel out =
                FileChannel.open(folder.resolve(download.name()), StandardOpenOption.WRITE)) {
            long done = 0;
            for (int attempt = 1; done < piece.length(); attempt++) {
                try {
                    done += copy(piece, done, out);
                    if (done < piece.length()) {
                        throw new IOException("ended after " + (piece.from() + done) + " bytes");
                    }
                } catch (DiskRefused e) {
                    throw e.refusal; // a full disk is not emptier the next time
                } catch (CutOff e) {
                    done += e.arrived;
                    pauseOrGiveUp(download, attempt, e.getCause());
                } catch (IOException e) {
                    pauseOrGiveUp(download, attempt, e);
                }
            }
            out.force(false);
            note(piece);
        } catch (IOException e) {
            throw cannotWrite(download, e);
        }
    }

    /// Bytes that arrived before the connection was cut are kept.
    private static final class CutOff extends IOException {
        private final long arrived;

        CutOff(long arrived, IOException cause) {
            super(cause);
            this.arrived = arrived;
        }
    }

    /// The disk is at fault, not the connection.
    private static final class DiskRefused extends IOException {
        private final transient IOException refusal;

        DiskRefused(IOException refusal) {
            super(refusal);
            this.refusal = refusal;
        }
    }

    private long copy(Piece piece, long done, FileChannel out) throws IOException {
        long arrived = 0;
        byte[] buffer = new byte[BUFFER];
        try (InputStream in =
                objects.read(piece.download().key(), piece.from() + done, piece.length() - done)) {
            for (int read = read(in, buffer, arrived);
                    read >= 0;
                    read = read(in, buffer, arrived)) {
                ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, read);
                while (bytes.hasRemaining()) {
                    arrived += write(out, bytes, piece.from() + done + arrived);
                }
            }
            return arrived;
        }
    }

    private int write(FileChannel out, ByteBuffer bytes, long position) throws DiskRefused {
        try {
            return disk.write(out, bytes, position);
        } catch (IOException e) {
            throw new DiskRefused(e);
        }
    }

    private static int read(InputStream in, byte[] buffer, long arrived) throws CutOff {
        try {
            return in.read(buffer);
        } catch (IOException e) {
            throw new CutOff(arrived, e);
        }
    }

    private void pauseOrGiveUp(Download download, int attempt, Throwable cause) {
        if (attempt >= ATTEMPTS || Thread.currentThread().isInterrupted()) {
            throw new EngineException(
                    Reason.SOURCE_UNAVAILABLE,
                    "%s: the connection was cut %d times: %s"
                            .formatted(
                                    objects.address(download.key()), attempt, cause.getMessage()),
                    cause);
        }
        try {
            Thread.sleep(FIRST_PAUSE_MS << (attempt - 1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException(folder + ": interrupted");
        }
    }

    private void note(Piece piece) throws IOException {
        if (piece.number() >= 0) {
            Files.writeString(
                    notesOf(piece.download()),
                    piece.number() + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        }
    }

    private EngineException cannotWrite(Download download, IOException e) {
        return new EngineException(
                Reason.STORAGE_FAILED,
                "%s: cannot be written: %s"
                        .formatted(folder.resolve(download.name()), e.getMessage()),
                e);
    }
}
