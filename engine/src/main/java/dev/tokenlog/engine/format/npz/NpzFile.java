package dev.tokenlog.engine.format.npz;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.npy.NpyHeader;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// An archive of numpy arrays, as `numpy.savez` and `savez_compressed` write it. Opening reads the
/// directory and the header of every array; numbers are read when somebody asks for them, and then
/// compared with their checksum.
public final class NpzFile implements AutoCloseable {

    private static final int BUFFER = 1 << 16;
    private static final String ENDING = ".npy";

    private final Path path;
    private final FileChannel channel;
    private final Map<String, Member> members;

    /// One array.
    ///
    /// @param key its name in the archive, without `.npy`
    private record Member(String key, ZipDirectory.Entry entry, NpyHeader header) {}

    /// @param key its name in the archive, without `.npy`
    /// @param fortranOrder whether the numbers are column-major
    public record ArrayFacts(
            String key, DataType type, boolean fortranOrder, List<Long> shape, long bytes) {}

    private NpzFile(Path path, FileChannel channel, Map<String, Member> members) {
        this.path = path;
        this.channel = channel;
        this.members = members;
    }

    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming file and entry;
    ///   `UNSUPPORTED` for encrypted entries, other compression, pickled objects
    public static NpzFile open(Path path) {
        InputFiles.requireRegular(path);
        FileChannel channel = null;
        boolean opened = false;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ);
            NpzFile file = new NpzFile(path, channel, members(channel, path));
            opened = true;
            return file;
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        } finally {
            if (!opened && channel != null) {
                close(channel, path);
            }
        }
    }

    private static Map<String, Member> members(FileChannel channel, Path path) throws IOException {
        Map<String, Member> members = new LinkedHashMap<>();
        for (ZipDirectory.Entry entry : ZipDirectory.read(channel, path)) {
            String what = what(path, entry.name());
            if (!entry.name().endsWith(ENDING)) {
                throw new EngineException(
                        Reason.UNSUPPORTED, what + ": expected arrays, " + ENDING);
            }
            NpyHeader header;
            try (InputStream in = new ZipEntryStream(channel, entry, what)) {
                header = NpyHeader.read(in, what);
            }
            if (entry.bytes() - header.bytes() != header.dataBytes(what)) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: %s of %s take %d bytes, but the entry has %d for them"
                                .formatted(
                                        what,
                                        header.shape(),
                                        header.type(),
                                        header.dataBytes(what),
                                        entry.bytes() - header.bytes()));
            }
            String key = entry.name().substring(0, entry.name().length() - ENDING.length());
            members.put(key, new Member(key, entry, header));
        }
        return members;
    }

    private static String what(Path path, String entry) {
        return path + ": entry '" + entry + "'";
    }

    public Path path() {
        return path;
    }

    /// In the order of the archive.
    public List<ArrayFacts> arrays() {
        List<ArrayFacts> arrays = new ArrayList<>();
        members.values().forEach(member -> arrays.add(facts(member)));
        return arrays;
    }

    public Optional<ArrayFacts> array(String key) {
        return Optional.ofNullable(members.get(key)).map(this::facts);
    }

    private ArrayFacts facts(Member member) {
        NpyHeader header = member.header();
        return new ArrayFacts(
                member.key(),
                header.type(),
                header.fortranOrder(),
                header.shape(),
                member.entry().bytes() - header.bytes());
    }

    /// The numbers of an array, from the first to the last.
    ///
    /// @return a stream whose end is reached only if the checksum fits: read it to the end
    /// @throws EngineException while it is read, naming file and entry
    public InputStream numbers(String key) {
        Member member = members.get(key);
        ZipEntryStream in =
                new ZipEntryStream(channel, member.entry(), what(path, member.entry().name()));
        boolean begun = false;
        try {
            in.readNBytes(member.header().bytes());
            begun = true;
            return in;
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        } finally {
            if (!begun) {
                in.close();
            }
        }
    }

    /// The numbers of an array in memory that the operating system can write out again: unpacked
    /// into a file of the folder, which is mapped.
    ///
    /// @param folder for temporary files; deleting them is the caller's
    public MemorySegment unpack(String key, Path folder, Arena arena) {
        try (InputStream in = numbers(key)) {
            Path file = Files.createTempFile(folder, "array-", ".bin");
            try (OutputStream out = Files.newOutputStream(file)) {
                copy(in, out);
            }
            try (FileChannel mapped = FileChannel.open(file, StandardOpenOption.READ)) {
                return mapped.size() == 0
                        ? MemorySegment.NULL
                        : mapped.map(MapMode.READ_ONLY, 0, mapped.size(), arena);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    "%s: cannot be unpacked into %s: %s".formatted(path, folder, e.getMessage()),
                    e);
        }
    }

    /// What cannot be read is the archive's fault, what cannot be written the folder's.
    private void copy(InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[BUFFER];
        for (int read = read(in, buffer); read >= 0; read = read(in, buffer)) {
            out.write(buffer, 0, read);
        }
    }

    private int read(InputStream in, byte[] buffer) {
        try {
            return in.read(buffer);
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        }
    }

    @Override
    public void close() {
        close(channel, path);
    }

    private static void close(FileChannel channel, Path path) {
        try {
            channel.close();
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        }
    }
}
