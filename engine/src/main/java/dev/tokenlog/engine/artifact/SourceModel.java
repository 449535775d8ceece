package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.FileVersions;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/// A source, memory-mapped: a Hugging Face folder in float (`config.json` and safetensors), or a
/// GGUF file, an NPZ archive or a manifest of loose arrays, whose weights are decoded exactly when
/// somebody asks for them, into four bytes each outside the heap. Every tensor in it is read by the
/// plan, or skipped for a reason, or refused.
public final class SourceModel implements Model {

    private final Path path;
    private final Path folder;
    private final ModelPlan plan;
    private final List<PlannedTensor> planned;
    private final Map<String, PlannedTensor> plannedByName;
    private final SourceWeights weights;
    private final FileVersions versions;
    private final List<Manifest.SkippedTensor> skipped;
    private final Map<String, Matrix.Float> matrices = new ConcurrentHashMap<>();
    private final Arena arena;
    private final Runnable closing;

    private SourceModel(
            Path path,
            Path folder,
            ModelPlan plan,
            SourceWeights weights,
            Arena arena,
            Runnable closing) {
        this.path = path;
        this.folder = folder;
        this.closing = closing;
        this.plan = plan;
        this.weights = weights;
        this.versions = new FileVersions(weights.files());
        this.arena = arena;
        this.planned = PlannedTensor.of(plan);
        this.plannedByName =
                planned.stream()
                        .collect(Collectors.toMap(PlannedTensor::name, Function.identity()));
        // First what is there under another name: it says more than what is missing for it.
        this.skipped = skipped();
        planned.forEach(this::check);
        if (skipped.stream().anyMatch(tensor -> tensor.name().equals(SkippedTensors.HEAD))) {
            refuseAnotherHead();
        }
    }

    /// @param path a Hugging Face folder, a GGUF file, or an NPZ archive or a manifest with
    ///   `config.json` beside it
    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` naming file, tensor or key,
    ///   and offset; `UNSUPPORTED` naming the field, key, tensor or type
    public static SourceModel open(Path path) {
        try {
            return openUnchanged(path);
        } catch (InternalError mapping) {
            throw shortened(path, mapping);
        }
    }

    private static SourceModel openUnchanged(Path path) {
        Path absolute = path.toAbsolutePath().normalize();
        if (Files.isRegularFile(absolute)) {
            return LooseModel.isManifest(absolute) || LooseModel.isArchive(absolute)
                    ? openLoose(absolute)
                    : openGguf(absolute);
        }
        if (!Files.isDirectory(absolute)) {
            throw new EngineException(
                    Reason.SOURCE_NOT_FOUND, path + ": there is no such folder or file");
        }
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            Path file = absolute.resolve(ModelFiles.CONFIG);
            JsonNode config = StrictJson.object(file);
            Optional<QuantizationConfig> codes = QuantizationConfig.of(config, file);
            ModelPlan plan = ModelPlans.of(QuantizationConfig.without(config), file.toString());
            FolderWeights folder = FolderWeights.open(absolute, arena);
            SourceWeights weights =
                    codes.map(stated -> (SourceWeights) QuantizedFolder.of(folder, stated))
                            .orElse(folder);
            SourceModel model =
                    new SourceModel(absolute, absolute, plan, weights, arena, arena::close);
            opened = true;
            return model;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    /// Configuration and tokenizer lie beside such a file.
    private static SourceModel openLoose(Path file) {
        Path folder = file.getParent();
        ModelPlan plan = ModelPlans.read(folder.resolve(ModelFiles.CONFIG));
        LooseModel loose = LooseModel.open(file);
        boolean opened = false;
        try {
            SourceModel model =
                    new SourceModel(file, folder, plan, loose, loose.arena(), loose::close);
            opened = true;
            return model;
        } finally {
            if (!opened) {
                loose.close();
            }
        }
    }

    private static SourceModel openGguf(Path file) {
        GgufFolder gguf = GgufFolder.open(file);
        boolean opened = false;
        try {
            Arena arena = gguf.arena();
            SourceModel model =
                    new SourceModel(
                            file, gguf.folder(), gguf.plan(), gguf.weights(), arena, gguf::close);
            opened = true;
            return model;
        } finally {
            if (!opened) {
                gguf.close();
            }
        }
    }

    /// The same source with changes folded into its weights, and the plan that they are for.
    ///
    /// @param copies tensors that the plan has and the source has not, and those they are made of
    /// @return closed before this one is
    public SourceModel folded(
            ModelPlan other, Map<String, TensorFold> folds, Map<String, String> copies) {
        Arena own = Arena.ofShared();
        return new SourceModel(
                path, folder, other, new FoldedWeights(this, folds, copies), own, own::close);
    }

    /// A planned tensor is there, has its shape, and is float.
    private void check(PlannedTensor wanted) {
        SourceTensor found =
                weights.tensor(wanted.name())
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.SOURCE_UNREADABLE,
                                        "%s: tensor '%s' %s is missing"
                                                .formatted(path, wanted.name(), wanted.shape())));
        String where = weights.fileOf(found.name()) + ": tensor '" + found.name() + "'";
        if (!found.shape().equals(wanted.shape())) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: shape %s, but config.json asks for %s"
                            .formatted(where, found.shape(), wanted.shape()));
        }
        if (!weights.isReadable(found)) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: dtype %s, expected %s"
                            .formatted(where, found.type(), weights.readableTypes()));
        }
    }

    /// Of a tied model only a copy of the embedding may be left out: with a head of its own the
    /// configuration and the weights say two things, and transformers before and since version 5
    /// believe different ones.
    private void refuseAnotherHead() {
        SourceTensor head = weights.tensor(SkippedTensors.HEAD).orElseThrow();
        SourceTensor embedding = weights.tensor(plan.embeddingTensor()).orElseThrow();
        if (!haveEqualValues(head, embedding)) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    ("%s: tensor '%s' is no copy of '%s', but config.json ties them: set"
                                    + " 'tie_word_embeddings' to false if the model has a head of"
                                    + " its own, or remove the tensor")
                            .formatted(weights.fileOf(head.name()), head.name(), embedding.name()));
        }
    }

    private boolean haveEqualValues(SourceTensor one, SourceTensor other) {
        if (!one.shape().equals(other.shape()) || !weights.isReadable(one)) {
            return false;
        }
        // Codes alone say nothing: their scales lie elsewhere.
        if (!weights.hasCodes() && one.type().equals(other.type())) {
            return one.stored().mismatch(other.stored()) < 0;
        }
        float[] a = new float[one.columns()];
        float[] b = new float[one.columns()];
        long rows = one.shape().getFirst();
        for (int row = 0; row < rows; row++) {
            one.row(row, a);
            other.row(row, b);
            if (!Arrays.equals(a, b)) {
                return false;
            }
        }
        return true;
    }

    private List<Manifest.SkippedTensor> skipped() {
        List<Manifest.SkippedTensor> list = new ArrayList<>();
        for (SourceTensor tensor : weights.tensors()) {
            String name = tensor.name();
            if (!plannedByName.containsKey(name)) {
                String reason =
                        SkippedTensors.reason(name, plan)
                                .or(() -> weights.skipReason(name))
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
    public SourceTensor tensor(String name) {
        if (!plannedByName.containsKey(name)) {
            throw new IllegalArgumentException(name + ": not a tensor of the plan");
        }
        return weights.tensor(name).orElseThrow();
    }

    SourceTensor skipped(Manifest.SkippedTensor skipped) {
        return weights.tensor(skipped.name()).orElseThrow();
    }

    /// The files that hold the weights, and their index if there is one.
    public List<Path> weightFiles() {
        return weights.files();
    }

    /// What the operating system tells of a file that has become shorter than its mapping.
    static EngineException shortened(Path path, InternalError mapping) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                path + ": a weight file became shorter while it was read",
                mapping);
    }

    /// Call when something has been read, before anybody believes what came of it.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE` if a weight file is not the one that was opened
    void refuseChanges() {
        versions.refuseChanges();
    }

    /// The type that most parameters have.
    public String dataType() {
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

    /// Bytes of all weights as they lie in their files.
    public long weightBytes() {
        return Converter.sourceBytes(this);
    }

    /// What was opened: the folder, or the GGUF file.
    public Path path() {
        return path;
    }

    /// Whether configuration and tokenizer are files of the source, not made of it.
    boolean hasOwnFiles() {
        return path.equals(folder) || folder.equals(path.getParent());
    }

    /// The name of the folder, or of the GGUF file without its ending.
    public String name() {
        String name = path.getFileName().toString();
        if (!path.equals(folder) && hasOwnFiles()) {
            return LooseModel.nameOf(path);
        }
        return path.equals(folder) || !name.endsWith(GgufFolder.ENDING)
                ? name
                : name.substring(0, name.length() - GgufFolder.ENDING.length());
    }

    /// Where configuration, tokenizer and template files lie: the folder itself; for a GGUF file a
    /// temporary one that ends with the model.
    @Override
    public Path folder() {
        return folder;
    }

    /// The recipe by which the codes of a source that somebody else has quantized are kept; empty
    /// where there are none that one of ours holds.
    public Optional<Recipe> recipe() {
        return weights.recipe(planned);
    }

    /// The text of `config.json` without what it says of the source's codes: an artifact has its
    /// own. Empty where it says nothing of them.
    Optional<byte[]> configurationInFloat() {
        if (!(weights instanceof QuantizedFolder)) {
            return Optional.empty();
        }
        Path file = folder.resolve(ModelFiles.CONFIG);
        return Optional.of(
                ConfigText.without(
                        StrictJson.bytes(file), QuantizationConfig.FIELD, file.toString()));
    }

    /// Whether the source has codes of its own, so that a conversion may take some of them over.
    boolean hasCodes() {
        return weights.hasCodes();
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
        SourceTensor tensor = tensor(name);
        PlannedTensor shape = plannedByName.get(name);
        if (!shape.kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a vector, not a matrix");
        }
        return matrices.computeIfAbsent(name, _ -> tensor.matrix(arena));
    }

    @Override
    public float[] vector(String name) {
        if (plannedByName.containsKey(name) && plannedByName.get(name).kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a matrix, not a vector");
        }
        return tensor(name).vector();
    }

    @Override
    public Optional<Path> file(String name) {
        return ModelFiles.find(folder, name);
    }

    @Override
    public void close() {
        closing.run();
    }
}
