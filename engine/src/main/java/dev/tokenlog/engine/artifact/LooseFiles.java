package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.npy.NpyHeader;
import dev.tokenlog.engine.format.npz.NpzFile;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/// The arrays of an NPZ archive and of files beside a manifest, until it is closed. Arrays of an
/// archive are unpacked when their numbers are asked for, into temporary files that are mapped.
final class LooseFiles implements AutoCloseable {

    private final Path folder;
    private final NpzFile archive;
    private final Arena arena = Arena.ofShared();
    private final List<Path> files = new ArrayList<>();
    private final ConcurrentHashMap<String, MemorySegment> unpacked = new ConcurrentHashMap<>();
    private Path temporary;

    /// @param archive null where there is none
    LooseFiles(Path folder, NpzFile archive) {
        this.folder = folder;
        this.archive = archive;
        if (archive != null) {
            files.add(archive.path());
        }
    }

    Optional<NpzFile> archive() {
        return Optional.ofNullable(archive);
    }

    /// Everything that was read.
    List<Path> files() {
        return List.copyOf(files);
    }

    Arena arena() {
        return arena;
    }

    /// An array of the archive.
    Optional<LooseArray> array(String key) {
        return archive == null
                ? Optional.empty()
                : archive.array(key)
                        .map(facts ->
                                new LooseArray(
                                        archive.path() + ": array '" + key + "'",
                                        facts.type(),
                                        facts.fortranOrder(),
                                        facts.shape(),
                                        () -> unpacked.computeIfAbsent(key, this::unpack)));
    }

    private MemorySegment unpack(String key) {
        return archive.unpack(key, temporaryFolder(), arena);
    }

    private synchronized Path temporaryFolder() {
        if (temporary == null) {
            try {
                temporary = Files.createTempDirectory("tokenlog-npz-");
            } catch (IOException e) {
                throw new EngineException(
                        Reason.STORAGE_FAILED,
                        "no temporary folder for what is in "
                                + archive.path()
                                + ": "
                                + e.getMessage(),
                        e);
            }
        }
        return temporary;
    }

    /// A numpy file beside the manifest.
    ///
    /// @param reference as the manifest writes it
    /// @param where names manifest and field in errors
    LooseArray npy(String reference, String where) {
        Path file = file(reference, where);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
                InputStream in = Channels.newInputStream(channel)) {
            String what = file.toString();
            NpyHeader header = NpyHeader.read(in, what);
            long bytes = header.dataBytes(what);
            if (channel.size() - header.bytes() != bytes) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: expected %d bytes, the file has %d"
                                .formatted(file, header.bytes() + bytes, channel.size()));
            }
            MemorySegment numbers = map(channel, header.bytes(), bytes);
            return new LooseArray(
                    what, header.type(), header.fortranOrder(), header.shape(), () -> numbers);
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    /// Bytes beside the manifest: packed bits.
    LooseArray packed(String reference, List<Long> shape, String where) {
        Path file = file(reference, where);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment bytes = map(channel, 0, channel.size());
            boolean matrix = shape != null && shape.size() == 2 && shape.getFirst() > 0;
            long rows = matrix ? shape.getFirst() : 1;
            if (channel.size() % rows != 0) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: %d bytes are not those of %d rows"
                                .formatted(file, channel.size(), rows));
            }
            return new LooseArray(
                    file.toString(),
                    DataType.U8,
                    false,
                    List.of(rows, channel.size() / rows),
                    () -> bytes);
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    private MemorySegment map(FileChannel channel, long from, long bytes) throws IOException {
        return bytes == 0 ? MemorySegment.NULL : channel.map(MapMode.READ_ONLY, from, bytes, arena);
    }

    /// Beside the manifest, and nowhere else.
    private Path file(String reference, String where) {
        try {
            Path relative = Path.of(reference.replace('\\', '/'));
            Path file = folder.resolve(relative).normalize();
            if (!relative.isAbsolute()
                    && file.startsWith(folder)
                    && !file.equals(folder)
                    && reference.indexOf(':') < 0) {
                InputFiles.requireRegular(file);
                files.add(file);
                return file;
            }
        } catch (InvalidPathException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, where + ": '" + reference + "' is no path", e);
        }
        throw new EngineException(
                Reason.SOURCE_UNREADABLE,
                where + ": '" + reference + "' leads out of the manifest's folder");
    }

    @Override
    public void close() {
        arena.close();
        if (archive != null) {
            archive.close();
        }
        if (temporary != null) {
            delete();
        }
    }

    private void delete() {
        try (Stream<Path> all = Files.walk(temporary)) {
            for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(each);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    temporary + ": a temporary folder cannot be deleted: " + e.getMessage(),
                    e);
        }
    }
}
