package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// The files `weights-00001.safetensors`, … of an artifact that is being written: tensors in the
/// order of the plan, a new file when one would become larger than the limit. The embedding and the
/// head have a file of their own each, so that models of the same vocabulary can share it: see
/// [SharedFiles].
final class WeightFiles implements AutoCloseable {

    /// A file on its own stays small enough for any store.
    static final long MAX_FILE_BYTES = 4L << 30;

    private static final int CHUNK = 1 << 20;

    private final Map<String, String> fileOfTensor = new LinkedHashMap<>();
    private final Map<String, SafetensorsWriter> writers = new LinkedHashMap<>();
    private boolean resumed = true;

    WeightFiles(Path folder, List<StoredTensor> tensors, long maxFileBytes) {
        List<List<StoredTensor>> groups = group(tensors, maxFileBytes);
        boolean opened = false;
        try {
            for (int number = 1; number <= groups.size(); number++) {
                open(folder, nameOf(number), groups.get(number - 1));
            }
            opened = true;
        } finally {
            if (!opened) {
                close();
            }
        }
    }

    /// The name stands in the manifest: in the same digits wherever it is written.
    private static String nameOf(int number) {
        return String.format(Locale.ROOT, "weights-%05d.safetensors", number);
    }

    private static List<List<StoredTensor>> group(List<StoredTensor> tensors, long maxFileBytes) {
        List<List<StoredTensor>> groups = new ArrayList<>();
        long bytes = 0;
        boolean alone = false;
        for (StoredTensor tensor : tensors) {
            boolean wasAlone = alone;
            alone = isAlone(tensor);
            if (groups.isEmpty() || alone || wasAlone || bytes + tensor.bytes() > maxFileBytes) {
                groups.add(new ArrayList<>());
                bytes = 0;
            }
            groups.getLast().add(tensor);
            bytes += tensor.bytes();
        }
        return groups;
    }

    private static boolean isAlone(StoredTensor tensor) {
        return switch (tensor.planned().kind()) {
            case EMBEDDING, HEAD -> true;
            case MATRIX, ROUTER, NORM, BIAS -> false;
        };
    }

    private void open(Path folder, String name, List<StoredTensor> tensors) {
        List<Declared> declared = new ArrayList<>();
        for (StoredTensor tensor : tensors) {
            declared.addAll(tensor.declared());
            fileOfTensor.put(tensor.name(), name);
        }
        SafetensorsLayout layout = new SafetensorsLayout(Map.of("format", "tokenlog"), declared);
        SafetensorsWriter writer = new SafetensorsWriter(folder.resolve(name), layout);
        writers.put(name, writer);
        resumed &= writer.isResumed();
    }

    /// Whether every file was there before.
    boolean isResumed() {
        return resumed;
    }

    String fileOf(StoredTensor tensor) {
        return fileOfTensor.get(tensor.name());
    }

    SafetensorsWriter writerOf(StoredTensor tensor) {
        return writers.get(fileOf(tensor));
    }

    /// The digest of what stands in the file for a tensor now.
    String digest(StoredTensor tensor) {
        SafetensorsWriter writer = writerOf(tensor);
        MessageDigest digest = Sha256.of(tensor.bytes());
        ByteBuffer buffer = ByteBuffer.allocate(CHUNK);
        for (Declared part : tensor.declared()) {
            for (long at = 0; at < part.bytes(); at += CHUNK) {
                buffer.clear().limit((int) Math.min(CHUNK, part.bytes() - at));
                writer.read(part.name(), at, buffer);
                digest.update(buffer.flip());
            }
        }
        return Digests.hex(digest.digest());
    }

    /// A quantized matrix as it stands in the file now.
    Matrix.Quantized matrix(StoredTensor tensor, Arena arena) {
        List<MemorySegment> parts = new ArrayList<>();
        for (Declared part : tensor.declared()) {
            MemorySegment segment = arena.allocate(part.bytes(), 64);
            for (long at = 0; at < part.bytes(); at += CHUNK) {
                long count = Math.min(CHUNK, part.bytes() - at);
                writerOf(tensor).read(part.name(), at, segment.asSlice(at, count).asByteBuffer());
            }
            parts.add(segment);
        }
        return new Matrix.Quantized(
                tensor.name(),
                tensor.code(),
                tensor.planned().rows(),
                tensor.planned().columns(),
                tensor.groupSize(),
                parts.get(0),
                parts.get(1),
                tensor.hasZeroPoints() ? parts.get(2) : null);
    }

    void sync() {
        writers.values().forEach(SafetensorsWriter::sync);
    }

    @Override
    public void close() {
        writers.values().forEach(SafetensorsWriter::close);
    }
}
