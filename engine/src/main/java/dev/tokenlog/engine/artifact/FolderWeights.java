package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// The safetensors of a Hugging Face folder.
record FolderWeights(SafetensorsFolder folder) implements SourceWeights {

    static FolderWeights open(Path folder, Arena arena) {
        return new FolderWeights(SafetensorsFolder.open(folder, arena));
    }

    @Override
    public List<SourceTensor> tensors() {
        return folder.tensors().stream().<SourceTensor>map(FloatTensor::new).toList();
    }

    @Override
    public Optional<SourceTensor> tensor(String name) {
        return folder.tensor(name).map(FloatTensor::new);
    }

    @Override
    public Path fileOf(String name) {
        return folder.fileOf(name);
    }

    @Override
    public List<Path> files() {
        return folder.files();
    }

    @Override
    public String readableTypes() {
        return "F32, F16 or BF16";
    }

    @Override
    public boolean isReadable(SourceTensor tensor) {
        return Floats.isReadable(DataType.valueOf(tensor.type()));
    }

    @Override
    public boolean hasCodes() {
        return false;
    }

    /// One tensor, row-major.
    private record FloatTensor(Tensor tensor) implements SourceTensor {

        @Override
        public String name() {
            return tensor.name();
        }

        @Override
        public String type() {
            return tensor.type().name();
        }

        @Override
        public List<Long> shape() {
            return tensor.shape();
        }

        @Override
        public MemorySegment stored() {
            return tensor.data();
        }

        @Override
        public int columns() {
            return Math.toIntExact(tensor.shape().getLast());
        }

        @Override
        public void row(int row, float[] into) {
            Floats.widen(tensor.type(), tensor.data(), (long) row * columns(), into, columns());
        }

        @Override
        public Matrix.Float matrix(Arena arena) {
            int rows = Math.toIntExact(tensor.shape().getFirst());
            return new Matrix.Float(name(), tensor.type(), rows, columns(), tensor.data());
        }

        @Override
        public float[] vector() {
            return Floats.widen(tensor);
        }
    }
}
