package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.npy.NpyWriter;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Writes the values of one tensor, decoded, as a numpy array of float32: for whoever wants to hold
/// them against another program's.
public final class TensorValues {

    private TensorValues() {}

    /// One row after the other.
    private interface Rows {

        void read(int row, float[] into);
    }

    /// @param model what [Inspection#of] takes and holds a whole model or its tensors: an artifact,
    ///   a source folder, a GGUF or NPZ file, a manifest
    /// @param tensor its name in the model; of an NPZ file or an older manifest also the name
    ///   there, and then as it lies there, transposed or not
    /// @throws EngineException naming what is broken, or that there is no such tensor
    public static void write(Path model, String tensor, Path npy) {
        Path path = model.toAbsolutePath().normalize();
        try {
            write(tensor, path, npy);
        } catch (InternalError mapping) {
            throw SourceModel.shortened(path, mapping);
        }
    }

    private static void write(String tensor, Path path, Path npy) {
        boolean file = Files.isRegularFile(path);
        if (file && LooseModel.isArchive(path)) {
            writeLoose(path, tensor, npy);
        } else if (file && LooseModel.isManifest(path)) {
            if (StrictJson.object(path).has("model_digest")) {
                writeArtifact(path.getParent(), tensor, npy);
            } else {
                writeLoose(path, tensor, npy);
            }
        } else if (Files.exists(path.resolve(ModelFiles.MANIFEST))) {
            writeArtifact(path, tensor, npy);
        } else {
            writeSource(path, tensor, npy);
        }
    }

    private static void writeLoose(Path path, String name, Path npy) {
        try (LooseModel model = LooseModel.open(path)) {
            LooseTensor tensor =
                    model.loose().stream()
                            .filter(each -> each.key().equals(name) || each.name().equals(name))
                            .findFirst()
                            .orElseThrow(() -> missing(path, name));
            write(npy, tensor.storedShape(), tensor::storedRow);
        }
    }

    private static void writeArtifact(Path folder, String name, Path npy) {
        try (Artifact artifact = Artifact.open(folder, true)) {
            PlannedTensor planned = planned(PlannedTensor.of(artifact.plan()), folder, name);
            if (planned.kind().isMatrix()) {
                Matrix matrix = artifact.matrix(name);
                write(npy, planned.shape(), (row, into) -> Dequantizer.row(matrix, row, into));
            } else {
                float[] values = artifact.vector(name);
                write(npy, planned.shape(), (row, into) -> into[0] = values[row]);
            }
        }
    }

    private static void writeSource(Path path, String name, Path npy) {
        try (SourceModel source = SourceModel.open(path)) {
            PlannedTensor planned = planned(source.plannedTensors(), path, name);
            if (planned.kind().isMatrix()) {
                SourceTensor tensor = source.tensor(name);
                write(npy, planned.shape(), tensor::row);
            } else {
                float[] values = source.vector(name);
                write(npy, planned.shape(), (row, into) -> into[0] = values[row]);
            }
        }
    }

    private static PlannedTensor planned(List<PlannedTensor> all, Path path, String name) {
        return all.stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow(() -> missing(path, name));
    }

    private static EngineException missing(Path path, String name) {
        return new EngineException(
                Reason.SOURCE_NOT_FOUND, path + ": there is no tensor '" + name + "'");
    }

    private static void write(Path npy, List<Long> shape, Rows rows) {
        int count = shape.isEmpty() ? 1 : Math.toIntExact(shape.getFirst());
        float[] row = new float[shape.size() < 2 ? 1 : Math.toIntExact(shape.getLast())];
        long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
        try (NpyWriter writer = new NpyWriter(npy, sizes)) {
            for (int r = 0; r < count; r++) {
                rows.read(r, row);
                writer.write(row, 0, row.length);
            }
        }
    }
}
