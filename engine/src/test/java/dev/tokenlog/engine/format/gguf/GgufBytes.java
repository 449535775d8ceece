package dev.tokenlog.engine.format.gguf;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Writes GGUF files piece by piece, wrong ones as well.
public final class GgufBytes {

    public static final int UINT32 = 4;
    public static final int BOOL = 7;
    public static final int STRING = 8;
    public static final int ARRAY = 9;
    public static final int UINT64 = 10;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /// Magic, version, counts.
    public static GgufBytes header(int version, long tensors, long keys) {
        GgufBytes bytes = new GgufBytes();
        bytes.raw("GGUF".getBytes(StandardCharsets.ISO_8859_1));
        return bytes.int32(version).int64(tensors).int64(keys);
    }

    public GgufBytes raw(byte... bytes) {
        out.writeBytes(bytes);
        return this;
    }

    public GgufBytes int32(int value) {
        return raw(little(4).putInt(value).array());
    }

    public GgufBytes int64(long value) {
        return raw(little(8).putLong(value).array());
    }

    public GgufBytes float32(float value) {
        return raw(little(4).putFloat(value).array());
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    public GgufBytes string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return int64(utf8.length).raw(utf8);
    }

    public GgufBytes key(String key, int type) {
        return string(key).int32(type);
    }

    public GgufBytes text(String key, String value) {
        return key(key, STRING).string(value);
    }

    public GgufBytes number(String key, int value) {
        return key(key, UINT32).int32(value);
    }

    /// @param dimensions in the order of the file: fastest first
    public GgufBytes tensor(String name, int type, long offset, long... dimensions) {
        string(name).int32(dimensions.length);
        for (long dimension : dimensions) {
            int64(dimension);
        }
        return int32(type).int64(offset);
    }

    /// Zeros up to a multiple of the alignment.
    public GgufBytes aligned(int alignment) {
        while (out.size() % alignment != 0) {
            out.write(0);
        }
        return this;
    }

    public byte[] bytes() {
        return out.toByteArray();
    }

    public Path write(Path file) {
        try {
            return Files.write(file, bytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
