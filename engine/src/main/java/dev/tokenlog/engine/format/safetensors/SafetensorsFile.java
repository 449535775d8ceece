package dev.tokenlog.engine.format.safetensors;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A safetensors file, validated and memory-mapped: eight bytes of header length, a JSON header,
/// the data.
public final class SafetensorsFile {

    private final Path path;
    private final SafetensorsHeader header;
    private final Map<String, Tensor> tensors;

    private SafetensorsFile(Path path, SafetensorsHeader header, MemorySegment data) {
        this.path = path;
        this.header = header;
        this.tensors = LinkedHashMap.newLinkedHashMap(header.tensors().size());
        for (TensorInfo info : header.tensors()) {
            MemorySegment bytes = data.asSlice(info.begin(), info.bytes());
            tensors.put(info.name(), new Tensor(info.name(), info.type(), info.shape(), bytes));
        }
    }

    /// Reads the header and maps the data.
    ///
    /// @param arena how long the data stays mapped
    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` or, for a data type that the
    ///   engine does not know, `UNSUPPORTED`
    public static SafetensorsFile open(Path path, Arena arena) {
        InputFiles.requireRegular(path);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            byte[] json = readHeader(channel, size, path);
            long dataBegin = 8L + json.length;
            long dataBytes = size - dataBegin;
            SafetensorsHeader header = SafetensorsHeader.parse(json, dataBytes, path.toString());
            MemorySegment data =
                    dataBytes == 0
                            ? MemorySegment.NULL
                            : channel.map(MapMode.READ_ONLY, dataBegin, dataBytes, arena);
            return new SafetensorsFile(path, header, data);
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        }
    }

    private static byte[] readHeader(FileChannel channel, long size, Path path) throws IOException {
        if (size < 8) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    path + ": " + size + " bytes, but a safetensors file begins with 8 of length");
        }
        long length = read(channel, 0, 8, path).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        if (length < 0 || length > SafetensorsHeader.MAX_BYTES) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: offset 0: a header of %s bytes; the limit is %d"
                            .formatted(
                                    path,
                                    Long.toUnsignedString(length),
                                    SafetensorsHeader.MAX_BYTES));
        }
        if (length > size - 8) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: offset 8: the header takes %d bytes, but the file ends at %d: it is"
                                    .formatted(path, length, size)
                            + " truncated");
        }
        return read(channel, 8, (int) length, path).array();
    }

    private static ByteBuffer read(FileChannel channel, long position, int length, Path path)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        path + ": offset " + (position + buffer.position()) + ": the file ends");
            }
        }
        return buffer.flip();
    }

    public Path path() {
        return path;
    }

    public SafetensorsHeader header() {
        return header;
    }

    public Optional<Tensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /// In the order of the file.
    public List<Tensor> tensors() {
        return List.copyOf(tensors.values());
    }
}
