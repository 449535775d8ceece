package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.gguf.GgufValue.ElementType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A GGUF file, validated and memory-mapped: magic, version, counts, metadata, tensor headers, and
/// data that begins at a multiple of the alignment. Each tensor begins where the one before it
/// ends, rounded up to the alignment; the last one ends with the file.
///
/// Nothing is believed: counts and lengths are held against what is left of the file before
/// anything is made for them.
public final class GgufFile {

    /// Of a mixture of experts with a matrix per expert.
    static final int MAX_TENSORS = 1 << 18;

    static final int MAX_KEYS = 1 << 16;

    private static final int MAX_NAME_BYTES = 1 << 16;
    private static final int MAX_TEXT_BYTES = 1 << 24;
    private static final int MAX_DIMENSIONS = 4;
    private static final int MAGIC = 0x46554747; // "GGUF"
    private static final String ALIGNMENT = "general.alignment";
    private static final int USUAL_ALIGNMENT = 32;

    /// Length of an empty name, number of dimensions, one dimension, type, offset.
    private static final int LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;

    /// Length of an empty key, type, one byte of value.
    private static final int LEAST_KEY_BYTES = 8 + 4 + 1;

    private final Path path;
    private final int version;
    private final GgufMetadata metadata;
    private final Map<String, GgufTensor> tensors;

    private GgufFile(
            Path path, int version, GgufMetadata metadata, Map<String, GgufTensor> tensors) {
        this.path = path;
        this.version = version;
        this.metadata = metadata;
        this.tensors = tensors;
    }

    /// Reads and checks everything but the numbers of the tensors.
    ///
    /// @param arena how long the file stays mapped
    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming
    ///   file, offset, key or tensor
    public static GgufFile open(Path path, Arena arena) {
        InputFiles.requireRegular(path);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < 24) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        path + ": " + size + " bytes, but a GGUF file begins with 24");
            }
            return new Reader(path, channel.map(MapMode.READ_ONLY, 0, size, arena)).read();
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        }
    }

    public Path path() {
        return path;
    }

    /// 2 or 3.
    public int version() {
        return version;
    }

    public GgufMetadata metadata() {
        return metadata;
    }

    public Optional<GgufTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /// In the order of their data.
    public List<GgufTensor> tensors() {
        return List.copyOf(tensors.values());
    }

    /// A tensor's header, whose place has not been checked yet.
    private record Header(
            String name, GgufType type, List<Long> shape, long begin, long bytes, long at) {}

    private static final class Reader {

        private final Path path;
        private final String file;
        private final MemorySegment bytes;
        private final GgufCursor cursor;

        Reader(Path path, MemorySegment bytes) {
            this.path = path;
            this.file = path.toString();
            this.bytes = bytes;
            this.cursor = new GgufCursor(bytes, file, 0);
        }

        GgufFile read() {
            if (cursor.int32("the magic") != MAGIC) {
                throw cursor.unreadable(0, "a GGUF file begins with 'GGUF'");
            }
            int version = cursor.int32("the version");
            if (version != 0 && (version & 0xffff) == 0) {
                throw cursor.unsupported(
                        4, "a big-endian file; expected the usual little-endian form");
            }
            if (version != 2 && version != 3) {
                throw cursor.unsupported(
                        4, "version " + Integer.toUnsignedString(version) + ": expected 2 or 3");
            }
            long tensorCount = cursor.count(LEAST_TENSOR_BYTES, "the number of tensors");
            if (tensorCount > MAX_TENSORS) {
                throw cursor.unreadable(8, tensorCount + " tensors; the limit is " + MAX_TENSORS);
            }
            long keyCount = cursor.count(LEAST_KEY_BYTES, "the number of keys");
            if (keyCount > MAX_KEYS) {
                throw cursor.unreadable(16, keyCount + " keys; the limit is " + MAX_KEYS);
            }
            GgufMetadata metadata = new GgufMetadata(file, keys((int) keyCount));
            int alignment = alignment(metadata);
            List<Header> headers = headers((int) tensorCount, alignment);
            return new GgufFile(path, version, metadata, placed(headers, alignment));
        }

        private Map<String, GgufValue> keys(int count) {
            Map<String, GgufValue> values = new LinkedHashMap<>();
            for (int i = 0; i < count; i++) {
                long begin = cursor.position();
                String key = cursor.string(MAX_NAME_BYTES, "key " + i);
                if (!GgufText.isName(key)) {
                    throw cursor.unreadable(
                            begin,
                            "the key '%s' is empty or has control characters"
                                    .formatted(GgufText.printable(key)));
                }
                String what = "key '" + GgufText.printable(key) + "'";
                if (values.put(key, value(elementType(what), what)) != null) {
                    throw cursor.unreadable(begin, what + " stands twice");
                }
            }
            return values;
        }

        private ElementType elementType(String what) {
            long begin = cursor.position();
            int number = cursor.int32(what + ": type");
            if (number < 0 || number >= ElementType.values().length) {
                throw cursor.unreadable(
                        begin, what + ": unknown type " + Integer.toUnsignedString(number));
            }
            return ElementType.values()[number];
        }

        private GgufValue value(ElementType type, String what) {
            long begin = cursor.position();
            return switch (type) {
                case UINT8 -> new GgufValue.Whole(cursor.int8(what) & 0xff);
                case INT8 -> new GgufValue.Whole(cursor.int8(what));
                case UINT16 -> new GgufValue.Whole(cursor.int16(what) & 0xffff);
                case INT16 -> new GgufValue.Whole(cursor.int16(what));
                case UINT32 -> new GgufValue.Whole(Integer.toUnsignedLong(cursor.int32(what)));
                case INT32 -> new GgufValue.Whole(cursor.int32(what));
                case UINT64 -> {
                    long value = cursor.int64(what);
                    if (value < 0) {
                        throw cursor.unreadable(
                                begin,
                                what + ": " + Long.toUnsignedString(value) + " is too large");
                    }
                    yield new GgufValue.Whole(value);
                }
                case INT64 -> new GgufValue.Whole(cursor.int64(what));
                case FLOAT32 -> new GgufValue.Real(Float.intBitsToFloat(cursor.int32(what)), true);
                case FLOAT64 ->
                        new GgufValue.Real(Double.longBitsToDouble(cursor.int64(what)), false);
                case BOOL -> new GgufValue.Flag(bool(begin, cursor.int8(what), what));
                case STRING -> new GgufValue.Text(cursor.string(MAX_TEXT_BYTES, what));
                case ARRAY -> array(what);
            };
        }

        private boolean bool(long begin, byte value, String what) {
            if (value != 0 && value != 1) {
                throw cursor.unreadable(
                        begin, what + ": " + (value & 0xff) + " is neither true nor false");
            }
            return value == 1;
        }

        private GgufValue array(String what) {
            ElementType type = elementType(what + ": elements");
            if (type == ElementType.ARRAY) {
                throw cursor.unsupported(
                        cursor.position(), what + ": an array of arrays; no key has one");
            }
            long count = cursor.count(type.leastBytes(), what + ": length of the array");
            long begin = cursor.position();
            if (type == ElementType.STRING) {
                for (long i = 0; i < count; i++) {
                    cursor.skipString(what);
                }
            } else {
                cursor.advance(count * type.leastBytes(), what);
            }
            return new GgufValue.Array(
                    type, count, bytes.asSlice(begin, cursor.position() - begin), begin);
        }

        private int alignment(GgufMetadata metadata) {
            int alignment = metadata.integer(ALIGNMENT, 8, 1 << 20, USUAL_ALIGNMENT);
            if (Integer.bitCount(alignment) != 1) {
                throw metadata.unreadable(ALIGNMENT, alignment + " is no power of two");
            }
            return alignment;
        }

        private List<Header> headers(int count, int alignment) {
            List<Header> headers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                headers.add(header(i, alignment));
            }
            return headers;
        }

        private Header header(int index, int alignment) {
            long begin = cursor.position();
            String name = cursor.string(MAX_NAME_BYTES, "the name of tensor " + index);
            if (!GgufText.isName(name)) {
                throw cursor.unreadable(
                        begin,
                        "the tensor name '%s' is empty or has control characters"
                                .formatted(GgufText.printable(name)));
            }
            String what = "tensor '" + GgufText.printable(name) + "'";
            List<Long> shape = shape(what);
            GgufType type = tensorType(what);
            if (shape.getLast() % type.blockElements() != 0) {
                throw cursor.unreadable(
                        begin,
                        "%s: rows of %d elements are no whole blocks of %s, which have %d"
                                .formatted(what, shape.getLast(), type, type.blockElements()));
            }
            long elements = 1;
            try {
                for (long dimension : shape) {
                    elements = Math.multiplyExact(elements, dimension);
                }
                // As many as fit into a long in bytes.
                Math.multiplyExact(elements, 8L);
            } catch (ArithmeticException e) {
                throw cursor.unreadable(begin, what + ": shape " + shape + " overflows");
            }
            long offsetAt = cursor.position();
            long offset = cursor.int64(what + ": offset");
            if (offset < 0 || offset % alignment != 0) {
                throw cursor.unreadable(
                        offsetAt,
                        "%s: offset %s is no multiple of the alignment %d"
                                .formatted(what, Long.toUnsignedString(offset), alignment));
            }
            long length = elements / type.blockElements() * type.blockBytes();
            return new Header(name, type, shape, offset, length, begin);
        }

        /// The file has the fastest dimension first.
        private List<Long> shape(String what) {
            long begin = cursor.position();
            int dimensions = cursor.int32(what + ": dimensions");
            if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
                throw cursor.unreadable(
                        begin,
                        "%s: %s dimensions: expected 1 to %d"
                                .formatted(
                                        what,
                                        Integer.toUnsignedString(dimensions),
                                        MAX_DIMENSIONS));
            }
            List<Long> shape = new ArrayList<>();
            for (int i = 0; i < dimensions; i++) {
                long dimension = cursor.int64(what + ": dimension " + i);
                if (dimension < 1) {
                    throw cursor.unreadable(
                            begin,
                            "%s: dimension %d is %s: expected at least 1"
                                    .formatted(what, i, Long.toUnsignedString(dimension)));
                }
                shape.addFirst(dimension);
            }
            return shape;
        }

        private GgufType tensorType(String what) {
            long begin = cursor.position();
            int number = cursor.int32(what + ": type");
            return GgufType.of(number)
                    .orElseThrow(() ->
                            cursor.unsupported(
                                    begin,
                                    "%s: unknown type %s"
                                            .formatted(what, Integer.toUnsignedString(number))));
        }

        /// Without hole, without overlap, to the end of the file.
        private Map<String, GgufTensor> placed(List<Header> headers, int alignment) {
            long dataBegin = Math.ceilDiv(cursor.position(), alignment) * alignment;
            long dataBytes = Math.max(0, bytes.byteSize() - dataBegin);
            headers.sort(Comparator.comparingLong(Header::begin));
            Map<String, GgufTensor> tensors = new LinkedHashMap<>();
            long expected = 0;
            long end = 0;
            String before = "the header";
            for (Header header : headers) {
                String what = "tensor '" + GgufText.printable(header.name()) + "'";
                if (header.begin() != expected) {
                    throw cursor.unreadable(
                            header.at(),
                            "%s begins at offset %d of the data, but %s ends at %d"
                                    .formatted(what, header.begin(), before, end));
                }
                if (header.bytes() > dataBytes - header.begin()) {
                    throw cursor.unreadable(
                            header.at(),
                            "%s ends at offset %s of the file, which has only %d bytes: it is truncated"
                                    .formatted(
                                            what,
                                            Long.toUnsignedString(
                                                    dataBegin + header.begin() + header.bytes()),
                                            bytes.byteSize()));
                }
                GgufTensor tensor =
                        new GgufTensor(
                                header.name(),
                                header.type(),
                                header.shape(),
                                dataBegin + header.begin(),
                                bytes.asSlice(dataBegin + header.begin(), header.bytes()));
                if (tensors.put(header.name(), tensor) != null) {
                    throw cursor.unreadable(header.at(), what + " stands twice");
                }
                before = what;
                end = header.begin() + header.bytes();
                expected = Math.ceilDiv(end, alignment) * alignment;
            }
            if (dataBytes > expected) {
                throw cursor.unreadable(
                        dataBegin + end,
                        "%d bytes follow the last tensor".formatted(dataBytes - expected));
            }
            return tensors;
        }
    }
}
