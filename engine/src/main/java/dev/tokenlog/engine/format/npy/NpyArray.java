package dev.tokenlog.engine.format.npy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An array of float32 as numpy stores it: magic, version, the text of a Python dictionary, the
/// values in row-major order (numpy.lib.format, versions 1 to 3).
///
/// @param values `shape[0] * shape[1] * …` numbers
public record NpyArray(List<Long> shape, float[] values) {

    static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};

    private static final int MAX_HEADER = 1 << 16;

    private static final Pattern HEADER =
            Pattern.compile(
                    "\\s*\\{\\s*'descr'\\s*:\\s*'(?<descr>[^']{1,32})'\\s*,"
                            + "\\s*'fortran_order'\\s*:\\s*(?<fortran>True|False)\\s*,"
                            + "\\s*'shape'\\s*:\\s*\\((?<shape>[0-9, ]*)\\)\\s*,?\\s*\\}\\s*");

    public NpyArray {
        shape = List.copyOf(shape);
    }

    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming file and offset;
    ///   `UNSUPPORTED` for another type or column-major order
    public static NpyArray read(Path file) {
        InputFiles.requireRegular(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer start = read(channel, 0, 12, file);
            for (int i = 0; i < MAGIC.length; i++) {
                if (start.get(i) != MAGIC[i]) {
                    throw unreadable(file, "offset 0: no numpy file");
                }
            }
            int version = start.get(6);
            if (version < 1 || version > 3) {
                throw unreadable(file, "offset 6: version " + version + ", expected 1 to 3");
            }
            int headerBegin = version == 1 ? 10 : 12;
            long headerLength =
                    version == 1
                            ? Short.toUnsignedLong(start.getShort(8))
                            : Integer.toUnsignedLong(start.getInt(8));
            if (headerLength > MAX_HEADER) {
                throw unreadable(file, "offset 8: a header of " + headerLength + " bytes");
            }
            ByteBuffer header = read(channel, headerBegin, (int) headerLength, file);
            List<Long> shape = shape(new String(header.array(), StandardCharsets.ISO_8859_1), file);
            return new NpyArray(
                    shape,
                    values(channel, headerBegin + headerLength, elements(shape, file), file));
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    private static List<Long> shape(String header, Path file) {
        Matcher matcher = HEADER.matcher(header);
        if (!matcher.matches()) {
            throw unreadable(file, "the header is not the expected dictionary");
        }
        if (!matcher.group("descr").equals("<f4")) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    file + ": dtype '" + matcher.group("descr") + "', expected '<f4'");
        }
        if (matcher.group("fortran").equals("True")) {
            throw new EngineException(
                    Reason.UNSUPPORTED, file + ": fortran_order True, expected row-major");
        }
        List<Long> shape = new ArrayList<>();
        for (String dimension : matcher.group("shape").split(",")) {
            if (!dimension.isBlank()) {
                try {
                    shape.add(Long.parseLong(dimension.strip()));
                } catch (NumberFormatException e) {
                    throw new EngineException(
                            Reason.SOURCE_UNREADABLE, file + ": shape '" + dimension + "'", e);
                }
            }
        }
        return shape;
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
