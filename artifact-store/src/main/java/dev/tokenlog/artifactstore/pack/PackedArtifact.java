package dev.tokenlog.artifactstore.pack;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import dev.tokenlog.artifactstore.pack.PackIndex.PackedFile;
import dev.tokenlog.artifactstore.pack.PackIndex.Piece;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactFiles;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.TensorInfo;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// An artifact in one file, compressed without loss: tensors in pieces, each piece the planes of
/// its numbers ([Planes]) as a frame of Zstandard with a SHA-256 of its own, so that a flipped byte
/// is named by the tensor that it hit. Unpacking gives the same files, hence the same digests, and
/// checks all of them.
public final class PackedArtifact {

    /// Codes hardly repeat: what is gained comes from coding their frequencies, which the low
    /// levels do as well as the high ones.
    private static final int LEVEL = 3;

    private static final long SMALL_LIMIT = 1L << 30;
    private static final long HEADERS = 256L << 20;

    /// What codes and scales are packed into at best, by far.
    private static final long MOST_TIMES = 100;

    private PackedArtifact() {}

    /// What packing gained.
    ///
    /// @param bytes of all files
    /// @param packedBytes of the packed file
    /// @param tensorBytes of all tensors
    /// @param packedTensorBytes of them in the packed file
    /// @param entropyBytes that the tensors' bytes need at least if each stands for itself, by the
    ///   frequencies in its plane of its piece
    public record Packed(
            Path file,
            long bytes,
            long packedBytes,
            long tensorBytes,
            long packedTensorBytes,
            long entropyBytes) {}

    /// Writes the packed file; it is there whole or not at all.
    ///
    /// @param artifact with verified digests
    public static Packed pack(Artifact artifact, Path file) {
        Path target = file.toAbsolutePath();
        Path temporary = target.resolveSibling(target.getFileName() + ".tmp");
        try {
            Files.createDirectories(target.getParent());
            try {
                Packed packed;
                try (OutputStream out = Files.newOutputStream(temporary)) {
                    packed = new Packer(out, artifact).pack(target);
                }
                try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                    channel.force(true); // before the name says that it is whole
                }
                Files.move(
                        temporary,
                        target,
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
                return packed;
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            throw cannotWrite(file, e);
        }
    }

    private static final class Packer {
        private final OutputStream out;
        private final Artifact artifact;
        private long packedBytes = PackIndex.BEGIN.length;
        private long tensorBytes;
        private long packedTensorBytes;
        private double entropyBits;

        Packer(OutputStream out, Artifact artifact) {
            this.out = out;
            this.artifact = artifact;
        }

        Packed pack(Path target) throws IOException {
            Path folder = artifact.folder();
            String digest = artifact.manifest().modelDigest();
            ArtifactFiles names = ArtifactFiles.of(folder.resolve(ArtifactFiles.MANIFEST), digest);
            out.write(PackIndex.BEGIN);
            List<PackedFile> files = new ArrayList<>();
            files.add(whole(ArtifactFiles.MANIFEST));
            for (String name : names.small()) {
                files.add(whole(name));
            }
            for (Path statement : ProvenanceFile.files(folder)) {
                files.add(whole(statement.getFileName().toString()));
            }
            for (String name : names.weights()) {
                files.add(weights(name));
            }
            byte[] index = new PackIndex(digest, files).bytes();
            out.write(index);
            return new Packed(
                    target,
                    files.stream().mapToLong(PackedFile::bytes).sum(),
                    packedBytes + index.length,
                    tensorBytes,
                    packedTensorBytes,
                    (long) Math.ceil(entropyBits / 8));
        }

        private PackedFile whole(String name) throws IOException {
            try (RandomAccessFile in = open(name)) {
                List<Piece> pieces = new ArrayList<>();
                stretch(in, 0, in.length(), null, 1, pieces);
                return new PackedFile(name, in.length(), pieces);
            }
        }

        private RandomAccessFile open(String name) throws IOException {
            return new RandomAccessFile(artifact.folder().resolve(name).toFile(), "r");
        }

        /// The header, then tensor by tensor in the order of the file.
        private PackedFile weights(String name) throws IOException {
            List<TensorInfo> tensors;
            try (Arena arena = Arena.ofConfined()) {
                tensors =
                        SafetensorsFile.open(artifact.folder().resolve(name), arena)
                                .header()
                                .tensors()
                                .stream()
                                .sorted(Comparator.comparingLong(TensorInfo::begin))
                                .toList();
            }
            try (RandomAccessFile in = open(name)) {
                List<Piece> pieces = new ArrayList<>();
                byte[] length = new byte[8];
                in.readFully(length);
                long data = 8 + ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong();
                stretch(in, 0, data, null, 1, pieces);
                long at = data;
                for (TensorInfo tensor : tensors) {
                    stretch(in, at, data + tensor.begin(), null, 1, pieces);
                    at = data + tensor.begin() + tensor.bytes();
                    stretch(
                            in,
                            data + tensor.begin(),
                            at,
                            tensor.name(),
                            tensor.type().bytes(),
                            pieces);
                }
                stretch(in, at, in.length(), null, 1, pieces);
                return new PackedFile(name, in.length(), pieces);
            }
        }

        private void stretch(
                RandomAccessFile in,
                long from,
                long to,
                String tensor,
                int width,
                List<Piece> pieces)
                throws IOException {
            byte[] buffer = new byte[(int) Math.min(PackIndex.MAX_PIECE, Math.max(to - from, 0))];
            for (long at = from; at < to; at += buffer.length) {
                int length = (int) Math.min(buffer.length, to - at);
                in.seek(at);
                in.readFully(buffer, 0, length);
                byte[] planes = Planes.split(buffer, length, width);
                byte[] packed = Zstd.compress(planes, LEVEL);
                out.write(packed);
                packedBytes += packed.length;
                if (tensor != null) {
                    tensorBytes += length;
                    packedTensorBytes += packed.length;
                    entropyBits += Planes.entropyBits(planes, width);
                }
                pieces.add(
                        new Piece(tensor, width, packed.length, length, PackIndex.sha256(packed)));
            }
        }
    }

    /// The digest of the artifact in a packed file.
    public static String digest(Path file) {
        try (RandomAccessFile in = opened(file)) {
            return PackIndex.read(in, file).modelDigest();
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /// Restores the artifact in a store, where it appears when every byte has been compared with
    /// its digests.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE`, naming tensor or file, if the packed file is
    ///   damaged
    public static Path unpack(Path file, ArtifactStore store) {
        try (RandomAccessFile in = opened(file)) {
            PackIndex index = PackIndex.read(in, file);
            return store.receive(
                    index.modelDigest(),
                    (folder, _) -> {
                        try {
                            in.seek(PackIndex.BEGIN.length);
                            restore(in, file, index, folder);
                        } catch (IOException e) {
                            throw unreadable(file, e);
                        }
                    });
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static RandomAccessFile opened(Path file) throws IOException {
        InputFiles.requireRegular(file);
        return new RandomAccessFile(file.toFile(), "r");
    }

    private static EngineException unreadable(Path file, IOException e) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, file + ": cannot be unpacked: " + e.getMessage(), e);
    }

    private static void restore(RandomAccessFile in, Path file, PackIndex index, Path folder)
            throws IOException {
        PackedFile first = index.files().getFirst();
        if (!first.name().equals(ArtifactFiles.MANIFEST) || first.bytes() > HEADERS) {
            throw PackIndex.refused(file, "does not begin with a manifest");
        }
        write(in, file, first, folder);
        ArtifactFiles names =
                ArtifactFiles.of(folder.resolve(ArtifactFiles.MANIFEST), index.modelDigest());
        requireKnown(file, index, names);
        for (PackedFile each : index.files().subList(1, index.files().size())) {
            write(in, file, each, folder);
        }
    }

    /// Nothing else is written than what the manifest lists, and no more than it says.
    private static void requireKnown(Path file, PackIndex index, ArtifactFiles names) {
        Set<String> weights = new HashSet<>(names.weights());
        Set<String> small = new HashSet<>(names.small());
        long weightBytes = 0;
        long smallBytes = 0;
        for (PackedFile each : index.files().subList(1, index.files().size())) {
            if (weights.remove(each.name())) {
                weightBytes += each.bytes();
            } else if (small.remove(each.name()) || ProvenanceFile.isStatement(each.name())) {
                smallBytes += each.bytes();
            } else {
                throw PackIndex.refused(
                        file, "'" + each.name() + "' is no file of this artifact, or twice there");
            }
        }
        long packed = file.toFile().length();
        if (weightBytes > HEADERS + MOST_TIMES * packed) {
            throw PackIndex.refused(
                    file, "%d bytes of weights in %d are no codes".formatted(weightBytes, packed));
        }
        if (weightBytes > names.weightBytes() + HEADERS || smallBytes > SMALL_LIMIT) {
            throw PackIndex.refused(file, "its files are larger than its manifest says");
        }
    }

    private static void write(RandomAccessFile in, Path file, PackedFile packed, Path folder)
            throws IOException {
        Path target = folder.resolve(packed.name());
        long restored = 0;
        try (FileOutputStream out = created(target)) {
            for (Piece piece : packed.pieces()) {
                byte[] bytes = piece(in, file, packed, piece, restored);
                put(out, bytes, target);
                restored += bytes.length;
            }
            out.getFD().sync();
        }
    }

    private static FileOutputStream created(Path target) {
        try {
            Files.createDirectories(target.getParent());
            return new FileOutputStream(target.toFile());
        } catch (IOException e) {
            throw cannotWrite(target, e);
        }
    }

    private static void put(OutputStream out, byte[] bytes, Path target) {
        try {
            out.write(bytes);
        } catch (IOException e) {
            throw cannotWrite(target, e);
        }
    }

    private static EngineException cannotWrite(Path file, IOException e) {
        return new EngineException(
                Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
    }

    private static byte[] piece(
            RandomAccessFile in, Path file, PackedFile packed, Piece piece, long at)
            throws IOException {
        long offset = in.getFilePointer();
        byte[] frame = new byte[piece.packed()];
        in.readFully(frame);
        String where =
                "%s, offset %d: %s"
                        .formatted(
                                packed.name(),
                                at,
                                piece.tensor() == null
                                        ? "no tensor's bytes"
                                        : "tensor '" + piece.tensor() + "'");
        if (!PackIndex.sha256(frame).equals(piece.sha256())) {
            throw PackIndex.refused(
                    file,
                    "%s: damaged between bytes %d and %d"
                            .formatted(where, offset, offset + frame.length));
        }
        try {
            byte[] planes = new byte[piece.bytes()];
            long length = Zstd.decompress(planes, frame);
            if (Zstd.isError(length) || length != planes.length) {
                throw PackIndex.refused(file, where + ": no frame of " + planes.length + " bytes");
            }
            return Planes.join(planes, piece.width());
        } catch (ZstdException e) {
            throw PackIndex.refused(file, where + ": no frame of Zstandard: " + e.getMessage());
        }
    }
}
