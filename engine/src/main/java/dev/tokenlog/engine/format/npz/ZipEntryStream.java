package dev.tokenlog.engine.format.npz;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/// The bytes of an entry, unpacked as they are read: exactly as many as the directory says, with
/// the checksum that it says, or an error at the end.
final class ZipEntryStream extends InputStream {

    private static final int CHUNK = 1 << 16;

    private final FileChannel channel;
    private final ZipDirectory.Entry entry;
    private final String what;
    private final Inflater inflater;
    private final ByteBuffer compressed;
    private final CRC32 crc = new CRC32();
    private long position;
    private long compressedLeft;
    private long left;

    /// @param what names file and entry
    ZipEntryStream(FileChannel channel, ZipDirectory.Entry entry, String what) {
        this.channel = channel;
        this.entry = entry;
        this.what = what;
        this.inflater = entry.deflated() ? new Inflater(true) : null;
        this.position = entry.dataOffset();
        this.compressedLeft = entry.compressedBytes();
        this.left = entry.bytes();
        compressed = ByteBuffer.allocate((int) Math.min(CHUNK, entry.compressedBytes())).limit(0);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        if (left == 0) {
            finish();
            return -1;
        }
        int wanted = (int) Math.min(length, left);
        int read = entry.deflated() ? inflate(into, offset, wanted) : copy(into, offset, wanted);
        crc.update(into, offset, read);
        left -= read;
        return read;
    }

    private int copy(byte[] into, int offset, int wanted) throws IOException {
        fill();
        int count = Math.min(wanted, compressed.remaining());
        compressed.get(into, offset, count);
        return count;
    }

    private int inflate(byte[] into, int offset, int wanted) throws IOException {
        try {
            while (true) {
                int count = inflater.inflate(into, offset, wanted);
                if (count > 0) {
                    return count;
                }
                if (inflater.finished() || inflater.needsDictionary()) {
                    throw unreadable(left + " bytes are missing");
                }
                fill();
                inflater.setInput(compressed);
            }
        } catch (DataFormatException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, what + ": cannot be unpacked: " + e.getMessage(), e);
        }
    }

    private void fill() throws IOException {
        if (compressed.hasRemaining()) {
            return;
        }
        if (compressedLeft == 0) {
            throw unreadable(left + " bytes are missing");
        }
        compressed.clear().limit((int) Math.min(compressed.capacity(), compressedLeft));
        int read = channel.read(compressed, position);
        if (read < 0) {
            throw unreadable("the file ends at " + position);
        }
        position += read;
        compressedLeft -= read;
        compressed.flip();
    }

    /// Everything has been read: is it what the directory promised?
    private void finish() throws IOException {
        if (entry.deflated() && !inflater.finished()) {
            byte[] more = new byte[1];
            try {
                while (!inflater.finished()) {
                    int count = inflater.inflate(more);
                    if (count > 0) {
                        throw unreadable("unpacks to more than its " + entry.bytes() + " bytes");
                    }
                    if (!inflater.finished()) {
                        fill();
                        inflater.setInput(compressed);
                    }
                }
            } catch (DataFormatException e) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        what + ": cannot be unpacked: " + e.getMessage(),
                        e);
            }
        }
        if (crc.getValue() != entry.crc()) {
            throw unreadable(
                    "CRC-32 is %08x, expected %08x".formatted(crc.getValue(), entry.crc()));
        }
    }

    private EngineException unreadable(String why) {
        return new EngineException(Reason.SOURCE_UNREADABLE, what + ": " + why);
    }

    @Override
    public void close() {
        if (inflater != null) {
            inflater.end();
        }
    }
}
