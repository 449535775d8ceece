package dev.tokenlog.engine.format.safetensors;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.CancellationException;

/// Writes a safetensors file of a known layout in any order, piece by piece; takes up a file that
/// an earlier writer of the same layout has left.
public final class SafetensorsWriter implements AutoCloseable {

    private final Path file;
    private final SafetensorsLayout layout;
    private final FileChannel channel;
    private final boolean resumed;

    /// @throws EngineException `STORAGE_FAILED` with the path
    public SafetensorsWriter(Path file, SafetensorsLayout layout) {
        this.file = file;
        this.layout = layout;
        try {
            this.channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            this.resumed = hasLayout();
            if (!resumed) {
                channel.truncate(0);
                writeAt(0, ByteBuffer.wrap(layout.header()));
                if (layout.fileBytes() > layout.header().length) {
                    writeAt(layout.fileBytes() - 1, ByteBuffer.allocate(1));
                }
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private boolean hasLayout() throws IOException {
        if (channel.size() != layout.fileBytes()) {
            return false;
        }
        ByteBuffer found = ByteBuffer.allocate(layout.header().length);
        readAt(0, found);
        return Arrays.equals(found.array(), layout.header());
    }

    /// Whether the file was there before, whole in length and with this layout; whatever it holds
    /// is to be checked by digest.
    public boolean isResumed() {
        return resumed;
    }

    /// @param offset from the tensor's first byte
    public void write(String tensor, long offset, ByteBuffer bytes) {
        checkRange(tensor, offset, bytes.remaining());
        try {
            writeAt(layout.position(tensor) + offset, bytes);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /// Reads back what stands in the file, to fill the buffer.
    public void read(String tensor, long offset, ByteBuffer into) {
        checkRange(tensor, offset, into.remaining());
        try {
            readAt(layout.position(tensor) + offset, into);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private void checkRange(String tensor, long offset, int length) {
        long bytes = layout.info(tensor).bytes();
        if (offset < 0 || offset + length > bytes) {
            throw new IllegalArgumentException(
                    "%s: bytes %d to %d of %d".formatted(tensor, offset, offset + length, bytes));
        }
    }

    private void writeAt(long position, ByteBuffer bytes) throws IOException {
        long at = position;
        while (bytes.hasRemaining()) {
            at += channel.write(bytes, at);
        }
    }

    private void readAt(long position, ByteBuffer into) throws IOException {
        long at = position;
        while (into.hasRemaining()) {
            int read = channel.read(into, at);
            if (read < 0) {
                throw new IOException("the file ends at " + at);
            }
            at += read;
        }
    }

    /// Makes sure that everything written survives a power failure.
    public void sync() {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private RuntimeException failed(IOException e) {
        if (e instanceof ClosedByInterruptException) {
            CancellationException cancelled = new CancellationException(file + ": interrupted");
            cancelled.initCause(e);
            return cancelled;
        }
        return new EngineException(
                Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw failed(e);
        }
    }
}
