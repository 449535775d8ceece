package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.npz.NpzWriter;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/// Writes an artifact as an NPZ archive and a manifest, `<name>_quantized_q4.npz` and
/// `<name>_manifest_q4.json`, with configuration, tokenizer and template files beside them. Numpy
/// reads it, and so do the programs that such files come from: one code per byte under
/// `<tensor>_q4` (uint8), `(q - zero_point) * scale` in float32. Nothing is rounded, so that a
/// conversion of the pair by the same recipe gives the artifact's digest again.
///
/// | array | type and shape |
/// |---|---|
/// | `<tensor>_q4` | uint8 `[rows, columns]` |
/// | `<tensor>_q4_scales` | float32 `[rows]`, or `[rows, groups]` with an int64 `<tensor>_group_size` |
/// | `<tensor>_q4_zero_point` | int32 `[rows]` |
/// | `<tensor>_shape` | int64 `[2]` |
/// | `<tensor>_fp32` | float32, of norms and biases |
public final class NpzExport {

    private static final String FLOATS = "_fp32";

    private final Artifact artifact;
    private final NpzWriter npz;
    private final ArrayNode weights;

    private NpzExport(Artifact artifact, NpzWriter npz, ArrayNode weights) {
        this.artifact = artifact;
        this.npz = npz;
        this.weights = weights;
    }

    /// What was written.
    public record Written(Path archive, Path manifest) {}

    /// @param folder is made where it is missing; files of the same names are replaced
    /// @throws dev.tokenlog.engine.EngineException `STORAGE_FAILED`
    public static Written write(Artifact artifact, Path folder) {
        try {
            return writeFiles(artifact, folder);
        } catch (InternalError mapping) {
            throw Artifact.shortened(artifact.folder(), mapping);
        }
    }

    private static Written writeFiles(Artifact artifact, Path folder) {
        Manifest manifest = artifact.manifest();
        String name = manifest.model().name().replaceAll("[^A-Za-z0-9._-]", "_");
        String bits = "q" + manifest.quantization().bits();
        Path archive = folder.resolve(name + "_quantized_" + bits + ".npz");
        Path described = folder.resolve(name + "_manifest_" + bits + ".json");
        ObjectNode json = ManifestFile.tree(manifest);
        json.retain("format_version", "model", "architecture", "quantization");
        json.withObject("/model").put("source_npz", archive.getFileName().toString());
        ArrayNode weights = json.putArray("weights");
        json.putObject("metadata")
                .put("producer", "tokenlog")
                .put("model_digest", manifest.modelDigest());
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw ArtifactStore.failed(folder, e);
        }
        write(artifact, archive, weights);
        manifest.files()
                .forEach(file ->
                        ArtifactStore.copyDurably(
                                artifact.folder().resolve(file.path()),
                                folder.resolve(file.path())));
        ArtifactStore.writeDurably(described, ManifestFile.write(json));
        return new Written(archive, described);
    }

    /// Under another name first: an archive that ends early is one that can be read, with tensors
    /// missing.
    private static void write(Artifact artifact, Path archive, ArrayNode weights) {
        Path unfinished = archive.resolveSibling(archive.getFileName() + ".part");
        try {
            try (NpzWriter npz = new NpzWriter(unfinished)) {
                NpzExport export = new NpzExport(artifact, npz, weights);
                PlannedTensor.of(artifact.plan()).forEach(export::tensor);
                export.integers("_config_hidden_size", List.of(), artifact.plan().hiddenSize());
                export.integers("_config_num_layers", List.of(), artifact.plan().layers().size());
                npz.finish();
            }
            Files.move(unfinished, archive, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw ArtifactStore.failed(archive, e);
        } finally {
            delete(unfinished);
        }
    }

    private static void delete(Path unfinished) {
        try {
            Files.deleteIfExists(unfinished);
        } catch (IOException e) {
            throw ArtifactStore.failed(unfinished, e);
        }
    }

    private void tensor(PlannedTensor planned) {
        ObjectNode entry = weights.addObject();
        entry.put("name", planned.name());
        ArrayNode shape = entry.putArray("shape");
        planned.shape().forEach(shape::add);
        if (planned.kind().isQuantizable()) {
            codes((Matrix.Quantized) artifact.matrix(planned.name()), planned, entry);
        } else if (planned.kind().isMatrix()) {
            Matrix.Float matrix = (Matrix.Float) artifact.matrix(planned.name());
            floats(planned, matrix.data(), entry);
        } else {
            float[] values = artifact.vector(planned.name());
            floats(planned, MemorySegment.ofArray(values), entry);
        }
    }

    private void floats(PlannedTensor planned, MemorySegment values, ObjectNode entry) {
        String key = planned.name() + FLOATS;
        entry.put("fp32", key).put("dtype", "float32");
        npz.begin(key, DataType.F32, planned.shape());
        byte[] piece = new byte[1 << 16];
        for (long at = 0; at < values.byteSize(); at += piece.length) {
            int count = (int) Math.min(piece.length, values.byteSize() - at);
            MemorySegment.copy(values, at, MemorySegment.ofArray(piece), 0, count);
            npz.write(piece, count);
        }
    }

    private void codes(Matrix.Quantized matrix, PlannedTensor planned, ObjectNode entry) {
        int bits = matrix.code().bits();
        String key = planned.name() + "_q" + bits;
        GroupCode code = GroupCode.of(matrix.code());
        requireIntegers(planned.name(), matrix.code());
        boolean zeros = matrix.code().hasZeroPoints();
        int zero = zeros ? 0 : matrix.code() == NumberCode.TERNARY ? 1 : 1 << (bits - 1);
        boolean perRow = matrix.groupSize() == matrix.columns();
        entry.put("bit_width", bits).put("q", key).put("q_scales", key + "_scales");
        entry.put("q_zero_point", key + "_zero_point");
        ObjectNode quantization = entry.putObject("quantization");
        quantization.put("type", perRow ? "perrow_int" : "pergroup_int");
        quantization.put("bits", bits).put("method", zeros ? "asymmetric" : "symmetric");

        npz.begin(key, DataType.U8, planned.shape());
        byte[] packed = new byte[Math.toIntExact(matrix.bytesPerRow())];
        short[] q = new short[matrix.columns()];
        byte[] bytes = new byte[matrix.columns()];
        for (int row = 0; row < matrix.rows(); row++) {
            MemorySegment.copy(
                    matrix.codes(),
                    ValueLayout.JAVA_BYTE,
                    row * matrix.bytesPerRow(),
                    packed,
                    0,
                    packed.length);
            code.unpack(packed, 0, q.length, q);
            for (int column = 0; column < q.length; column++) {
                bytes[column] = (byte) (q[column] + zero);
            }
            npz.write(bytes, bytes.length);
        }
        scales(matrix, key, perRow);
        zeroPoints(matrix, key, zero);
        integers(planned.name() + "_shape", List.of(2L), matrix.rows(), matrix.columns());
        if (!perRow) {
            quantization.put("group_size", matrix.groupSize());
            integers(planned.name() + "_group_size", List.of(), matrix.groupSize());
        }
    }

    /// A value is `(q - zero) * scale` with integers here; what is no such product has no place.
    private static void requireIntegers(String tensor, NumberCode code) {
        if (!GroupCode.of(code).isInteger()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "tensor '%s': NPZ archives hold integers with a zero point, not %s"
                            .formatted(tensor, code.label()));
        }
    }

    /// One for each row, or each group's own.
    private void zeroPoints(Matrix.Quantized matrix, String key, int zero) {
        long rows = matrix.rows();
        MemorySegment own = matrix.zeros();
        int groups = own == null ? 1 : matrix.groupsPerRow();
        npz.begin(
                key + "_zero_point",
                DataType.I32,
                groups == 1 ? List.of(rows) : List.of(rows, (long) groups));
        byte[] one = new byte[4];
        for (long i = 0; i < rows * groups; i++) {
            one[0] = own == null ? (byte) zero : own.get(ValueLayout.JAVA_BYTE, i);
            npz.write(one, one.length);
        }
    }

    /// F16 widened to float32: exact.
    private void scales(Matrix.Quantized matrix, String key, boolean perRow) {
        long rows = matrix.rows();
        int groups = matrix.groupsPerRow();
        npz.begin(
                key + "_scales",
                DataType.F32,
                perRow ? List.of(rows) : List.of(rows, (long) groups));
        ByteBuffer row = ByteBuffer.allocate(4 * groups).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer stored = matrix.scales().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        for (int r = 0; r < rows; r++) {
            row.clear();
            for (int group = 0; group < groups; group++) {
                row.putFloat(Float.float16ToFloat(stored.getShort()));
            }
            npz.write(row.array(), row.capacity());
        }
    }

    private void integers(String key, List<Long> shape, long... values) {
        npz.begin(key, DataType.I64, shape);
        ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long value : values) {
            bytes.putLong(value);
        }
        npz.write(bytes.array(), bytes.capacity());
    }
}
