package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Reads numbers and strings of a mapped file one after the other and never beyond its end.
final class GgufCursor {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment bytes;
    private final String file;
    private long at;

    GgufCursor(MemorySegment bytes, String file, long at) {
        this.bytes = bytes;
        this.file = file;
        this.at = at;
    }

    long position() {
        return at;
    }

    long remaining() {
        return bytes.byteSize() - at;
    }

    byte int8(String what) {
        return bytes.get(ValueLayout.JAVA_BYTE, advance(1, what));
    }

    short int16(String what) {
        return bytes.get(SHORT, advance(2, what));
    }

    int int32(String what) {
        return bytes.get(INT, advance(4, what));
    }

    long int64(String what) {
        return bytes.get(LONG, advance(8, what));
    }

    /// A count or a length; whoever asks knows what one of it takes at least.
    ///
    /// @param least bytes that each of the counted things takes
    long count(long least, String what) {
        long begin = at;
        long count = int64(what);
        if (count < 0 || count > remaining() / least) {
            throw unreadable(
                    begin,
                    "%s: %s, but the file ends after %d more bytes"
                            .formatted(what, Long.toUnsignedString(count), remaining()));
        }
        return count;
    }

    /// A string of eight bytes of length and its UTF-8.
    ///
    /// @param limit of bytes
    String string(int limit, String what) {
        long begin = at;
        long length = count(1, what + ": length");
        if (length > limit) {
            throw unreadable(begin, "%s: %d bytes; the limit is %d".formatted(what, length, limit));
        }
        byte[] utf8 = new byte[(int) length];
        long from = advance(length, what);
        MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, from, utf8, 0, utf8.length);
        return GgufText.decode(utf8, file + ": offset " + from + ": " + what);
    }

    /// Steps over a string.
    void skipString(String what) {
        advance(count(1, what + ": length"), what);
    }

    /// Steps over `length` bytes.
    ///
    /// @return where they begin
    long advance(long length, String what) {
        if (length > remaining()) {
            throw unreadable(
                    at,
                    "%s takes %d bytes, but the file ends after %d: it is truncated"
                            .formatted(what, length, remaining()));
        }
        long begin = at;
        at += length;
        return begin;
    }

    EngineException unreadable(long offset, String what) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, file + ": offset " + offset + ": " + what);
    }

    EngineException unsupported(long offset, String what) {
        return new EngineException(Reason.UNSUPPORTED, file + ": offset " + offset + ": " + what);
    }
}
