package dev.tokenlog.engine.format.npy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/// An array of float32 as numpy stores it: magic, version, the text of a Python dictionary, the
/// values in row-major order (numpy.lib.format, versions 1 to 3).
///
/// @param values `shape[0] * shape[1] * …` numbers
public record NpyArray(List<Long> shape, float[] values) {

    public NpyArray {
        shape = List.copyOf(shape);
    }

    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming file and offset;
    ///   `UNSUPPORTED` for another type or column-major order
    public static NpyArray read(Path file) {
        InputFiles.requireRegular(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
                InputStream in = Channels.newInputStream(channel)) {
            NpyHeader header = NpyHeader.read(in, file.toString());
            if (header.type() != DataType.F32) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        file + ": dtype '" + NpyHeader.descr(header.type()) + "', expected '<f4'");
            }
            if (header.fortranOrder()) {
                throw new EngineException(
                        Reason.UNSUPPORTED, file + ": fortran_order True, expected row-major");
            }
            int count = elements(header.shape(), file);
            return new NpyArray(header.shape(), values(channel, header.bytes(), count, file));
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    private static int elements(List<Long> shape, Path file) {
        try {
            long elements = 1;
            for (long dimension : shape) {
                elements = Math.multiplyExact(elements, dimension);
            }
            return Math.toIntExact(elements);
        } catch (ArithmeticException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, file + ": shape " + shape + " is too large", e);
        }
    }

    private static float[] values(FileChannel channel, long begin, int count, Path file)
            throws IOException {
        long expected = begin + 4L * count;
        if (channel.size() != expected) {
            throw unreadable(
                    file, "expected " + expected + " bytes, the file has " + channel.size());
        }
        float[] values = new float[count];
        int chunk = 1 << 18;
        for (int done = 0; done < count; done += chunk) {
            int now = Math.min(chunk, count - done);
            read(channel, begin + 4L * done, 4 * now, file).asFloatBuffer().get(values, done, now);
        }
        return values;
    }

    private static ByteBuffer read(FileChannel channel, long position, int length, Path file)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw unreadable(file, "offset " + (position + buffer.position()) + ": it ends");
            }
        }
        return buffer.flip();
    }

    private static EngineException unreadable(Path file, String what) {
        return new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + what);
    }
}
