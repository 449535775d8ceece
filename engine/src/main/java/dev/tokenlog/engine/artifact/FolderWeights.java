package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// The safetensors of a Hugging Face folder. A text model that is part of a larger one gets the
/// names that it has alone.
///
/// @param storedNames by the name here, in the order of the files
record FolderWeights(SafetensorsFolder folder, Map<String, String> storedNames)
        implements SourceWeights {

    /// How the parts of models that also see images are called, in older and newer repositories.
    private static final Map<String, String> TEXT_PREFIXES =
            Map.of("language_model.", "", "model.language_model.", "model.");

    private static final Pattern IMAGES =
            Pattern.compile("(model\\.)?(vision_tower|multi_modal_projector)\\..*");

    static FolderWeights open(Path path, Arena arena) {
        SafetensorsFolder folder = SafetensorsFolder.open(path, arena);
        Map<String, String> names = new LinkedHashMap<>();
        for (Tensor tensor : folder.tensors()) {
            String stored = tensor.name();
            String other = names.put(nameAlone(stored), stored);
            if (other != null) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: tensor '%s' is the same one as '%s'"
                                .formatted(folder.fileOf(stored), stored, other));
            }
        }
        return new FolderWeights(folder, names);
    }

    private static String nameAlone(String stored) {
        return TEXT_PREFIXES.entrySet().stream()
                .filter(prefix -> stored.startsWith(prefix.getKey()))
                .map(prefix -> prefix.getValue() + stored.substring(prefix.getKey().length()))
                .findFirst()
                .orElse(stored);
    }

    @Override
    public List<SourceTensor> tensors() {
        return storedNames.keySet().stream().map(name -> tensor(name).orElseThrow()).toList();
    }

    @Override
    public Optional<SourceTensor> tensor(String name) {
        return raw(name).map(tensor -> new FloatTensor(name, tensor));
    }

    /// A tensor as it lies in its file.
    Optional<Tensor> raw(String name) {
        return Optional.ofNullable(storedNames.get(name)).flatMap(folder::tensor);
    }

    @Override
    public Path fileOf(String name) {
        return folder.fileOf(storedNames.getOrDefault(name, name));
    }

    @Override
    public Optional<String> skipReason(String name) {
        return IMAGES.matcher(name).matches()
                ? Optional.of("sees images; text does not pass through it")
                : Optional.empty();
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
    private record FloatTensor(String name, Tensor tensor) implements SourceTensor {

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
        public Optional<Matrix.Float> floats() {
            return Optional.of(matrix(Arena.global()));
        }

        @Override
        public float[] vector() {
            return Floats.widen(tensor);
        }
    }
}
