package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/// A Hugging Face folder in float, memory-mapped: `config.json` and safetensors. Every tensor in it
/// is read by the plan, or skipped for a reason, or refused.
public final class SourceModel implements Model {

    private final Path folder;
    private final ModelPlan plan;
    private final List<PlannedTensor> planned;
    private final Map<String, PlannedTensor> plannedByName;
    private final SafetensorsFolder weights;
    private final List<Manifest.SkippedTensor> skipped;
    private final Arena arena;

    private SourceModel(Path folder, ModelPlan plan, SafetensorsFolder weights, Arena arena) {
        this.folder = folder;
        this.plan = plan;
        this.weights = weights;
        this.arena = arena;
        this.planned = PlannedTensor.of(plan);
        this.plannedByName =
                planned.stream()
                        .collect(Collectors.toMap(PlannedTensor::name, Function.identity()));
        planned.forEach(this::check);
        this.skipped = skipped();
    }

    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming file, tensor and
    ///   offset; `UNSUPPORTED` naming the field, tensor or type
    public static SourceModel open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new EngineException(
                    Reason.SOURCE_NOT_FOUND, folder + ": there is no such folder");
        }
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            Path absolute = folder.toAbsolutePath().normalize();
            ModelPlan plan = ModelPlans.read(absolute.resolve(ModelFiles.CONFIG));
            SafetensorsFolder weights = SafetensorsFolder.open(absolute, arena);
            SourceModel model = new SourceModel(absolute, plan, weights, arena);
            opened = true;
            return model;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    /// A planned tensor is there, has its shape, and is float.
    private void check(PlannedTensor wanted) {
        Tensor found =
                weights.tensor(wanted.name())
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.SOURCE_UNREADABLE,
                                        "%s: tensor '%s' %s is missing"
                                                .formatted(folder, wanted.name(), wanted.shape())));
        String where = weights.fileOf(found.name()) + ": tensor '" + found.name() + "'";
        if (!found.shape().equals(wanted.shape())) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: shape %s, but config.json asks for %s"
                            .formatted(where, found.shape(), wanted.shape()));
        }
        if (!Floats.isReadable(found.type())) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    where + ": dtype " + found.type() + ", expected F32, F16 or BF16");
        }
    }

    private List<Manifest.SkippedTensor> skipped() {
        List<Manifest.SkippedTensor> list = new ArrayList<>();
        for (Tensor tensor : weights.tensors()) {
            String name = tensor.name();
            if (!plannedByName.containsKey(name)) {
                String reason =
                        SkippedTensors.reason(name, plan)
                                .orElseThrow(() ->
                                        new EngineException(
                                                Reason.UNSUPPORTED,
                                                "%s: tensor '%s' %s has no place in a %s"
                                                        .formatted(
                                                                weights.fileOf(name),
                                                                name,
                                                                tensor.shape(),
                                                                plan.family())));
                list.add(new Manifest.SkippedTensor(name, reason));
            }
        }
        list.sort(Comparator.comparing(Manifest.SkippedTensor::name));
        return List.copyOf(list);
    }

    /// Tensors of the source that are no weights of the plan, with the reason, sorted by name.
    public List<Manifest.SkippedTensor> skippedTensors() {
        return skipped;
    }

    /// What the plan reads, in its order.
    public List<PlannedTensor> plannedTensors() {
        return planned;
    }

    /// A tensor that the plan reads, as it lies in its file.
    public Tensor tensor(String name) {
        if (!plannedByName.containsKey(name)) {
            throw new IllegalArgumentException(name + ": not a tensor of the plan");
        }
        return weights.tensor(name).orElseThrow();
    }

    Tensor skipped(Manifest.SkippedTensor skipped) {
        return weights.tensor(skipped.name()).orElseThrow();
    }

    /// The files that hold the weights, and their index if there is one.
    public List<Path> weightFiles() {
        return weights.files();
    }

    /// The type that most parameters have.
    public DataType dataType() {
        return planned.stream()
                .collect(
                        Collectors.groupingBy(
                                tensor -> tensor(tensor.name()).type(),
                                TreeMap::new,
                                Collectors.summingLong(PlannedTensor::elements)))
                .entrySet()
                .stream()
                .max(Map.Entry.comparingByValue())
                .orElseThrow()
                .getKey();
    }

    @Override
    public Path folder() {
        return folder;
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public Optional<String> digest() {
        return Optional.empty();
    }

    @Override
    public Matrix matrix(String name) {
        Tensor tensor = tensor(name);
        PlannedTensor shape = plannedByName.get(name);
        if (!shape.kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a vector, not a matrix");
        }
        return new Matrix.Float(name, tensor.type(), shape.rows(), shape.columns(), tensor.data());
    }

    @Override
    public float[] vector(String name) {
        if (plannedByName.containsKey(name) && plannedByName.get(name).kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a matrix, not a vector");
        }
        return Floats.widen(tensor(name));
    }

    @Override
    public Optional<Path> file(String name) {
        return ModelFiles.find(folder, name);
    }

    @Override
    public void close() {
        arena.close();
    }
}
