package dev.tokenlog.nativekernels;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/// What is looked at before a file is given to the system's loader, which says little about what it
/// does not like and may end the process where a file is cut off.
final class ElfFile {

    private static final int MAGIC = 0x7f454c46;
    private static final byte BITS_64 = 2;
    private static final byte LITTLE_ENDIAN = 1;
    private static final short SHARED_LIBRARY = 3;
    private static final int HEADER = 64;
    private static final int PROGRAM_HEADER = 56;

    private ElfFile() {}

    /// Why this file cannot be a library of this platform.
    static Optional<String> problem(Path file, Platform platform) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer header = read(channel, 0, HEADER);
            if (header.order(ByteOrder.BIG_ENDIAN).getInt(0) != MAGIC) {
                return Optional.of("is no ELF file");
            }
            header.order(ByteOrder.LITTLE_ENDIAN);
            int machine = Short.toUnsignedInt(header.getShort(18));
            if (header.get(4) != BITS_64
                    || header.get(5) != LITTLE_ENDIAN
                    || header.getShort(16) != SHARED_LIBRARY
                    || machine != platform.elfMachine()) {
                return Optional.of(
                        "is no shared library for %s (machine %d)"
                                .formatted(platform.label(), machine));
            }
            long size = channel.size();
            long end = endOfSegments(channel, header);
            return end > size
                    ? Optional.of("is cut off: %d bytes of %d".formatted(size, end))
                    : Optional.empty();
        } catch (EOFException e) {
            return Optional.of("is cut off");
        }
    }

    private static long endOfSegments(FileChannel channel, ByteBuffer header) throws IOException {
        long offset = header.getLong(32);
        int count = Short.toUnsignedInt(header.getShort(56));
        ByteBuffer segments = read(channel, offset, count * PROGRAM_HEADER);
        long end = 0;
        for (int i = 0; i < count; i++) {
            int at = i * PROGRAM_HEADER;
            end = Math.max(end, segments.getLong(at + 8) + segments.getLong(at + 32));
        }
        return end;
    }

    private static ByteBuffer read(FileChannel channel, long offset, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (offset < 0 || channel.read(buffer, offset + buffer.position()) < 0) {
                throw new EOFException();
            }
        }
        return buffer.flip();
    }
}
