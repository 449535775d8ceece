package dev.tokenlog.engine.tokenizer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/// Walks through the fields of one protobuf message. What does not fit into the bytes that are
/// there is refused with its place; nothing is allocated that is larger than the field.
///
/// [Protobuf encoding](https://protobuf.dev/programming-guides/encoding/)
final class ProtobufReader {

    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH = 2;
    private static final int FIXED32 = 5;

    private final Path file;
    private final String path;
    private final ByteBuffer bytes;
    private final int start;
    private int field;
    private int wireType;
    private boolean taken = true;
    private String last = "";

    ProtobufReader(Path file, byte[] message) {
        this(file, "", ByteBuffer.wrap(message), 0);
    }

    private ProtobufReader(Path file, String path, ByteBuffer bytes, int start) {
        this.file = file;
        this.path = path;
        this.bytes = bytes.order(ByteOrder.LITTLE_ENDIAN);
        this.start = start;
    }

    /// Goes to the next field; what was not read of the last one is skipped.
    boolean next() {
        skip();
        if (!bytes.hasRemaining()) {
            return false;
        }
        long tag = varint();
        field = (int) (tag >>> 3);
        wireType = (int) (tag & 7);
        if (tag >>> 32 != 0 || field == 0) {
            throw unreadable("a field has no valid number");
        }
        last = "field " + field;
        taken = false;
        return true;
    }

    int field() {
        return field;
    }

    /// The field that was read last, with the messages around it.
    String name() {
        return path + last;
    }

    ProtobufReader message(String name) {
        int length = length(name);
        int at = bytes.position();
        ByteBuffer inner = bytes.slice(at, length);
        bytes.position(at + length);
        return new ProtobufReader(file, path + name + ".", inner, start + at);
    }

    byte[] bytes(String name) {
        byte[] value = new byte[length(name)];
        bytes.get(value);
        return value;
    }

    String text(String name) {
        return StrictJson.decode(bytes(name), file + ": " + path + name);
    }

    float float32(String name) {
        take(name, FIXED32, 4);
        return bytes.getFloat();
    }

    /// An `int32` or an enum; negative numbers take ten bytes.
    int int32(String name) {
        take(name, VARINT, 1);
        return (int) varint();
    }

    boolean bool(String name) {
        take(name, VARINT, 1);
        return varint() != 0;
    }

    void skip() {
        if (taken) {
            return;
        }
        switch (wireType) {
            case VARINT -> int32(last);
            case FIXED64 -> {
                take(last, FIXED64, 8);
                bytes.position(bytes.position() + 8);
            }
            case LENGTH -> {
                int length = length(last);
                bytes.position(bytes.position() + length);
            }
            case FIXED32 -> float32(last);
            default -> throw unreadable("wire type " + wireType + " is not known");
        }
    }

    private int length(String name) {
        take(name, LENGTH, 1);
        long length = varint();
        if (length < 0 || length > bytes.remaining()) {
            throw unreadable(
                    "is %s bytes long, %d are left"
                            .formatted(Long.toUnsignedString(length), bytes.remaining()));
        }
        return (int) length;
    }

    private void take(String name, int expected, int least) {
        last = name;
        taken = true;
        if (wireType != expected) {
            throw unreadable("has wire type " + wireType + ", expected " + expected);
        }
        if (bytes.remaining() < least) {
            throw unreadable("the file ends inside this field");
        }
    }

    private long varint() {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (!bytes.hasRemaining()) {
                throw unreadable("the file ends inside a number");
            }
            byte b = bytes.get();
            value |= (long) (b & 0x7f) << shift;
            if (b >= 0) {
                return value;
            }
        }
        throw unreadable("a number has more than ten bytes");
    }

    EngineException unreadable(String message) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                "%s: %s%s (byte %d): %s"
                        .formatted(file, path, last, start + bytes.position(), message));
    }
}
