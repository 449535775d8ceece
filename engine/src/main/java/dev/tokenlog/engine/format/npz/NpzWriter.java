package dev.tokenlog.engine.format.npz;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.npy.NpyHeader;
import dev.tokenlog.engine.tensor.DataType;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/// Writes an archive of numpy arrays, deflated as `numpy.savez_compressed` does it, one array after
/// the other, piece by piece.
public final class NpzWriter implements AutoCloseable {

    /// The first time that a zip archive can say: the same arrays give the same bytes.
    private static final LocalDateTime NO_TIME = LocalDateTime.of(1980, 1, 1, 0, 0);

    private final Path file;
    private final ZipOutputStream zip;
    private long missing;

    /// @throws EngineException `STORAGE_FAILED`
    public NpzWriter(Path file) {
        this.file = file;
        try {
            this.zip = new ZipOutputStream(new BufferedOutputStream(Files.newOutputStream(file)));
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /// Begins an array; [#write] then takes exactly the bytes of its shape.
    public void begin(String key, DataType type, List<Long> shape) {
        requireComplete();
        missing = shape.stream().reduce((long) type.bytes(), Math::multiplyExact);
        try {
            ZipEntry entry = new ZipEntry(key + ".npy");
            entry.setTimeLocal(NO_TIME);
            zip.putNextEntry(entry);
            zip.write(NpyHeader.write(type, shape));
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /// @param numbers row-major, little-endian
    public void write(byte[] numbers, int count) {
        if (count > missing) {
            throw new IllegalArgumentException(count + " bytes, but the shape has " + missing);
        }
        missing -= count;
        try {
            zip.write(numbers, 0, count);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private void requireComplete() {
        if (missing != 0) {
            throw new IllegalStateException(file + ": " + missing + " bytes of an array missing");
        }
    }

    private EngineException failed(IOException e) {
        return new EngineException(
                Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
    }

    /// Writes the directory of the archive.
    public void finish() {
        requireComplete();
        try {
            zip.finish();
        } catch (IOException e) {
            throw failed(e);
        }
    }

    @Override
    public void close() {
        try {
            zip.close();
        } catch (IOException e) {
            throw failed(e);
        }
    }
}
