package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.gguf.GgufValue.ElementType;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Writes a GGUF file (version 3, little-endian): first all keys and the headers of all tensors,
/// then the tensors' bytes in that order, piece by piece.
public final class GgufWriter implements AutoCloseable {

    private static final int ALIGNMENT = 32;

    private final Path file;
    private final OutputStream out;
    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final List<Header> headers = new ArrayList<>();
    private int keyCount;
    private int current = -1;
    private long missing;

    private record Header(String name, GgufType type, List<Long> shape, long bytes) {}

    /// @throws EngineException `STORAGE_FAILED`
    public GgufWriter(Path file) {
        this.file = file;
        try {
            this.out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    public void text(String key, String value) {
        begin(key, ElementType.STRING);
        string(value);
    }

    public void whole(String key, long value) {
        begin(key, ElementType.UINT32);
        int32(keys, Math.toIntExact(value));
    }

    public void real(String key, float value) {
        begin(key, ElementType.FLOAT32);
        int32(keys, Float.floatToRawIntBits(value));
    }

    public void flag(String key, boolean value) {
        begin(key, ElementType.BOOL);
        keys.write(value ? 1 : 0);
    }

    public void texts(String key, List<String> values) {
        array(key, ElementType.STRING, values.size());
        values.forEach(this::string);
    }

    public void floats(String key, float[] values) {
        array(key, ElementType.FLOAT32, values.length);
        for (float value : values) {
            int32(keys, Float.floatToRawIntBits(value));
        }
    }

    public void integers(String key, int[] values) {
        array(key, ElementType.INT32, values.length);
        for (int value : values) {
            int32(keys, value);
        }
    }

    private void array(String key, ElementType type, int count) {
        begin(key, ElementType.ARRAY);
        int32(keys, type.ordinal());
        int64(keys, count);
    }

    private void begin(String key, ElementType type) {
        keyCount++;
        string(key);
        int32(keys, type.ordinal());
    }

    private void string(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        int64(keys, utf8.length);
        keys.writeBytes(utf8);
    }

    /// A tensor whose bytes will follow.
    ///
    /// @param shape the slowest dimension first; rows are whole blocks
    public void declare(String name, GgufType type, List<Long> shape) {
        if (shape.getLast() % type.blockElements() != 0) {
            throw new IllegalArgumentException(
                    name + ": " + shape + " is no whole blocks of " + type);
        }
        long elements = shape.stream().reduce(1L, Math::multiplyExact);
        long bytes = elements / type.blockElements() * type.blockBytes();
        headers.add(new Header(name, type, List.copyOf(shape), bytes));
    }

    /// Writes everything but the tensors' bytes.
    public void start() {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        int32(head, 3);
        int64(head, headers.size());
        int64(head, keyCount);
        head.writeBytes(keys.toByteArray());
        long offset = 0;
        for (Header header : headers) {
            byte[] name = header.name().getBytes(StandardCharsets.UTF_8);
            int64(head, name.length);
            head.writeBytes(name);
            int32(head, header.shape().size());
            header.shape().reversed().forEach(dimension -> int64(head, dimension));
            int32(head, header.type().number());
            int64(head, offset);
            offset += padded(header.bytes());
        }
        byte[] bytes = head.toByteArray();
        put(bytes, bytes.length);
        pad(bytes.length);
        next();
    }

    /// The next bytes of the tensor whose turn it is.
    public void write(byte[] bytes, int count) {
        if (count > missing) {
            throw new IllegalArgumentException(count + " bytes, but a tensor lacks " + missing);
        }
        put(bytes, count);
        missing -= count;
        if (missing == 0) {
            pad(headers.get(current).bytes());
            next();
        }
    }

    private void next() {
        current++;
        missing = current < headers.size() ? headers.get(current).bytes() : 0;
    }

    private static long padded(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    private void pad(long bytes) {
        int count = (int) (padded(bytes) - bytes);
        put(new byte[count], count);
    }

    private void put(byte[] bytes, int count) {
        try {
            out.write(bytes, 0, count);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private static void int32(ByteArrayOutputStream to, int value) {
        to.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    private static void int64(ByteArrayOutputStream to, long value) {
        to.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    private EngineException failed(IOException e) {
        return new EngineException(
                Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
    }

    /// @throws IllegalStateException when bytes of a tensor are missing
    public void finish() {
        if (current < headers.size()) {
            throw new IllegalStateException(file + ": " + missing + " bytes of a tensor missing");
        }
        try {
            out.flush();
        } catch (IOException e) {
            throw failed(e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw failed(e);
        }
    }
}
