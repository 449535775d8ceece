package dev.tokenlog.engine.format.npy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.LongStream;

/// Writes an array of float32 as numpy stores it (version 1), piece by piece, so that the array
/// need not be in memory.
public final class NpyWriter implements AutoCloseable {

    private static final int CHUNK = 1 << 14;

    private final Path file;
    private final FileChannel channel;
    private final ByteBuffer buffer =
            ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private long missing;

    /// Writes the header; [#write] then takes exactly as many values as the shape says.
    public NpyWriter(Path file, long... shape) {
        this.file = file;
        this.missing = LongStream.of(shape).reduce(1, Math::multiplyExact);
        try {
            this.channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE);
            List<Long> sizes = LongStream.of(shape).boxed().toList();
            writeFully(ByteBuffer.wrap(NpyHeader.write(DataType.F32, sizes)));
        } catch (IOException e) {
            throw failed(e);
        }
    }

    public void write(float[] values, int from, int count) {
        if (count > missing) {
            throw new IllegalArgumentException(
                    count + " values, but the shape has room for " + missing + " more");
        }
        try {
            for (int done = 0; done < count; done += CHUNK) {
                int now = Math.min(CHUNK, count - done);
                buffer.clear();
                buffer.asFloatBuffer().put(values, from + done, now);
                writeFully(buffer.limit(now * Float.BYTES));
            }
        } catch (IOException e) {
            throw failed(e);
        }
        missing -= count;
    }

    private void writeFully(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private EngineException failed(IOException e) {
        return new EngineException(
                Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
    }

    /// @throws IllegalStateException when values are missing
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw failed(e);
        }
        if (missing != 0) {
            throw new IllegalStateException(file + ": " + missing + " values were not written");
        }
    }
}
