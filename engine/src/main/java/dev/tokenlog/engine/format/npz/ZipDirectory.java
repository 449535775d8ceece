package dev.tokenlog.engine.format.npz;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// The central directory of a zip archive (APPNOTE 6.3, zip64 included), and what it says about
/// each entry, checked before anything is unpacked: names that would leave the archive, names that
/// stand twice, entries that overlap or lie outside, sizes that no compression can reach.
final class ZipDirectory {

    /// What an archive may unpack to: this many times its own size, beside a constant.
    static final long MAX_RATIO = 100;

    static final long FREE_BYTES = 64L << 20;

    private static final int MAX_DIRECTORY = 64 << 20;
    private static final int MAX_COMMENT = 65_535;
    private static final int END_BYTES = 22;
    private static final int LOCATOR_BYTES = 20;
    private static final int END64_BYTES = 56;
    private static final int ENTRY_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final int MAX_NAME = 4096;

    /// Deflate cannot do better than 1032 to 1.
    private static final long DEFLATE_RATIO = 1032;

    private static final int END = 0x06054b50;
    private static final int END64 = 0x06064b50;
    private static final int LOCATOR = 0x07064b50;
    private static final int ENTRY = 0x02014b50;
    private static final int LOCAL = 0x04034b50;

    private static final int STORED = 0;
    private static final int DEFLATED = 8;

    /// @param bytes unpacked
    /// @param dataOffset in the file
    record Entry(
            String name,
            boolean deflated,
            long crc,
            long compressedBytes,
            long bytes,
            long localOffset,
            long dataOffset) {}

    private final FileChannel channel;
    private final Path path;
    private final long fileBytes;

    private ZipDirectory(FileChannel channel, Path path) throws IOException {
        this.channel = channel;
        this.path = path;
        this.fileBytes = channel.size();
    }

    /// @throws EngineException `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming the entry
    static List<Entry> read(FileChannel channel, Path path) throws IOException {
        return new ZipDirectory(channel, path).read();
    }

    private record End(long entries, long offset, long bytes) {}

    private List<Entry> read() throws IOException {
        End end = end();
        if (end.bytes() > MAX_DIRECTORY) {
            throw unreadable(
                    "a directory of " + end.bytes() + " bytes; the limit is " + MAX_DIRECTORY);
        }
        if (end.offset() < 0 || end.bytes() < 0 || end.offset() > fileBytes - end.bytes()) {
            throw unreadable(
                    "the directory of %d bytes at %d lies outside of the file"
                            .formatted(end.bytes(), end.offset()));
        }
        if (end.entries() < 0 || end.entries() > end.bytes() / ENTRY_BYTES) {
            throw unreadable(
                    "%d entries do not fit a directory of %d bytes"
                            .formatted(end.entries(), end.bytes()));
        }
        ByteBuffer directory = bytes(end.offset(), (int) end.bytes());
        List<Entry> entries = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (long number = 0; number < end.entries(); number++) {
            Entry entry = entry(directory, end);
            if (!names.add(entry.name())) {
                throw unreadable("entry '" + entry.name() + "' stands twice");
            }
            entries.add(entry);
        }
        if (directory.hasRemaining()) {
            throw unreadable("the directory has more than its " + end.entries() + " entries");
        }
        check(entries, end);
        return List.copyOf(entries);
    }

    /// The last record of the file, or the zip64 one that it stands for.
    private End end() throws IOException {
        int tail = (int) Math.min(fileBytes, END_BYTES + MAX_COMMENT);
        ByteBuffer last = bytes(fileBytes - tail, tail);
        for (int at = tail - END_BYTES; at >= 0; at--) {
            boolean found =
                    last.getInt(at) == END
                            && Short.toUnsignedInt(last.getShort(at + 20)) == tail - END_BYTES - at;
            if (found) {
                return end(last, at, fileBytes - tail + at);
            }
        }
        throw unreadable("no zip archive: its end is missing");
    }

    private End end(ByteBuffer last, int at, long position) throws IOException {
        if (last.getShort(at + 4) != 0 && last.getShort(at + 4) != -1) {
            throw new EngineException(
                    Reason.UNSUPPORTED, path + ": a zip archive in several parts");
        }
        long entries = Short.toUnsignedLong(last.getShort(at + 10));
        long bytes = Integer.toUnsignedLong(last.getInt(at + 12));
        long offset = Integer.toUnsignedLong(last.getInt(at + 16));
        boolean zip64 = entries == 0xffff || bytes == 0xffff_ffffL || offset == 0xffff_ffffL;
        if (!zip64 || position < LOCATOR_BYTES) {
            return new End(entries, offset, bytes);
        }
        ByteBuffer locator = bytes(position - LOCATOR_BYTES, LOCATOR_BYTES);
        if (locator.getInt(0) != LOCATOR) {
            return new End(entries, offset, bytes);
        }
        long end64 = locator.getLong(8);
        if (end64 < 0 || end64 > fileBytes - END64_BYTES) {
            throw unreadable("the zip64 end at " + end64 + " lies outside of the file");
        }
        ByteBuffer record = bytes(end64, END64_BYTES);
        if (record.getInt(0) != END64) {
            throw unreadable("offset " + end64 + ": no zip64 end");
        }
        return new End(record.getLong(32), record.getLong(48), record.getLong(40));
    }

    private Entry entry(ByteBuffer directory, End end) throws IOException {
        int at = directory.position();
        if (directory.remaining() < ENTRY_BYTES || directory.getInt(at) != ENTRY) {
            throw unreadable("offset " + (end.offset() + at) + ": no entry of the directory");
        }
        int flags = Short.toUnsignedInt(directory.getShort(at + 8));
        int method = Short.toUnsignedInt(directory.getShort(at + 10));
        int nameBytes = Short.toUnsignedInt(directory.getShort(at + 28));
        int extraBytes = Short.toUnsignedInt(directory.getShort(at + 30));
        int commentBytes = Short.toUnsignedInt(directory.getShort(at + 32));
        if (directory.remaining() - ENTRY_BYTES < nameBytes + extraBytes + commentBytes) {
            throw unreadable("offset " + (end.offset() + at) + ": the directory ends in an entry");
        }
        String name = name(directory.slice(at + ENTRY_BYTES, nameBytes), at + end.offset());
        if ((flags & 1) != 0) {
            throw new EngineException(
                    Reason.UNSUPPORTED, path + ": entry '" + name + "' is encrypted");
        }
        if (method != STORED && method != DEFLATED) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: entry '%s': compression method %d, expected 0 (stored) or 8 (deflated)"
                            .formatted(path, name, method));
        }
        Sizes sizes =
                new Sizes(
                        Integer.toUnsignedLong(directory.getInt(at + 24)),
                        Integer.toUnsignedLong(directory.getInt(at + 20)),
                        Integer.toUnsignedLong(directory.getInt(at + 42)));
        sizes = sizes.with64(directory.slice(at + ENTRY_BYTES + nameBytes, extraBytes));
        check(name, method, sizes);
        directory.position(at + ENTRY_BYTES + nameBytes + extraBytes + commentBytes);
        return new Entry(
                name,
                method == DEFLATED,
                Integer.toUnsignedLong(directory.getInt(at + 16)),
                sizes.compressed(),
                sizes.bytes(),
                sizes.offset(),
                dataOffset(name, method, sizes));
    }

    private record Sizes(long bytes, long compressed, long offset) {

        /// The zip64 field holds, in this order, whatever did not fit four bytes.
        Sizes with64(ByteBuffer extra) {
            extra.order(ByteOrder.LITTLE_ENDIAN);
            while (extra.remaining() >= 4) {
                int id = Short.toUnsignedInt(extra.getShort());
                int length = Short.toUnsignedInt(extra.getShort());
                if (length > extra.remaining()) {
                    return this; // what is no field is passed over, as everybody does
                }
                ByteBuffer field = extra.slice(extra.position(), length).order(extra.order());
                if (id == 1) {
                    return new Sizes(
                            next(bytes, field), next(compressed, field), next(offset, field));
                }
                extra.position(extra.position() + length);
            }
            return this;
        }

        private static long next(long value, ByteBuffer field) {
            return value == 0xffff_ffffL && field.remaining() >= 8 ? field.getLong() : value;
        }
    }

    private String name(ByteBuffer bytes, long offset) {
        if (bytes.remaining() > MAX_NAME) {
            throw unreadable("offset " + offset + ": a name of " + bytes.remaining() + " bytes");
        }
        String name = StandardCharsets.UTF_8.decode(bytes).toString();
        boolean leaves =
                name.isEmpty()
                        || name.startsWith("/")
                        || name.indexOf('\\') >= 0
                        || name.indexOf(':') >= 0
                        || name.indexOf('\ufffd') >= 0
                        || name.chars().anyMatch(Character::isISOControl)
                        || List.of(name.split("/", -1)).contains("..");
        if (leaves) {
            throw unreadable("offset " + offset + ": entry '" + name + "' is no name of an array");
        }
        return name;
    }

    private void check(String name, int method, Sizes sizes) {
        if (sizes.bytes() < 0
                || sizes.compressed() < 0
                || sizes.offset() < 0
                || sizes.offset() > fileBytes - LOCAL_BYTES
                || sizes.compressed() > fileBytes - LOCAL_BYTES - sizes.offset()) {
            throw unreadable("entry '" + name + "' lies outside of the file");
        }
        if (method == STORED && sizes.bytes() != sizes.compressed()) {
            throw unreadable(
                    "entry '%s': stored, but %d bytes take %d"
                            .formatted(name, sizes.bytes(), sizes.compressed()));
        }
        if (method == DEFLATED && sizes.bytes() / DEFLATE_RATIO > sizes.compressed()) {
            throw unreadable(
                    "entry '%s': %d bytes cannot become %d"
                            .formatted(name, sizes.compressed(), sizes.bytes()));
        }
    }

    /// Behind the local header, which must say the same.
    private long dataOffset(String name, int method, Sizes sizes) throws IOException {
        ByteBuffer local = bytes(sizes.offset(), LOCAL_BYTES);
        if (local.getInt(0) != LOCAL) {
            throw unreadable("entry '%s': offset %d: no entry".formatted(name, sizes.offset()));
        }
        int nameBytes = Short.toUnsignedInt(local.getShort(26));
        int extraBytes = Short.toUnsignedInt(local.getShort(28));
        long data = sizes.offset() + LOCAL_BYTES + nameBytes + extraBytes;
        if (data > fileBytes - sizes.compressed()) {
            throw unreadable("entry '" + name + "' lies outside of the file");
        }
        byte[] same = name.getBytes(StandardCharsets.UTF_8);
        ByteBuffer found = bytes(sizes.offset() + LOCAL_BYTES, nameBytes);
        if (!found.equals(ByteBuffer.wrap(same))
                || Short.toUnsignedInt(local.getShort(8)) != method) {
            throw unreadable(
                    "entry '%s': offset %d: another name or compression than in the directory"
                            .formatted(name, sizes.offset()));
        }
        return data;
    }

    /// Entries that share bytes unpack to many times what is there.
    private void check(List<Entry> entries, End end) {
        long unpacked = 0;
        long free = 0;
        for (Entry entry :
                entries.stream().sorted(Comparator.comparingLong(Entry::localOffset)).toList()) {
            if (entry.localOffset() < free) {
                throw unreadable("entry '" + entry.name() + "' overlaps another");
            }
            free = entry.dataOffset() + entry.compressedBytes();
            if (free > end.offset()) {
                throw unreadable("entry '" + entry.name() + "' overlaps the directory");
            }
            unpacked += entry.bytes();
            if (unpacked < 0 || (unpacked - FREE_BYTES) / MAX_RATIO > fileBytes) {
                throw unreadable(
                        "entry '%s': the archive of %d bytes would unpack to more than %d times that"
                                .formatted(entry.name(), fileBytes, MAX_RATIO));
            }
        }
    }

    private ByteBuffer bytes(long position, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw unreadable("offset " + (position + buffer.position()) + ": the file ends");
            }
        }
        return buffer.flip();
    }

    private EngineException unreadable(String what) {
        return new EngineException(Reason.SOURCE_UNREADABLE, path + ": " + what);
    }
}
