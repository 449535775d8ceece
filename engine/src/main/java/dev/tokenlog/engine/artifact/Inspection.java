package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.gguf.GgufFile;
import dev.tokenlog.engine.format.gguf.GgufMetadata;
import dev.tokenlog.engine.format.gguf.GgufValue;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.format.npz.NpzFile;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What is in a file or folder, as facts for whoever shows them. Everything is validated, and every
/// byte of the tensors is read.
///
/// @param facts name and value, in the order in which people want to read them
/// @param tensors in the order of the file or the layer plan
public record Inspection(
        Kind kind, Path path, Map<String, String> facts, List<TensorFacts> tensors) {

    public enum Kind {
        /// A safetensors file.
        SAFETENSORS,
        /// A GGUF file; its tensors under its own names and types.
        GGUF,
        /// A numpy array.
        NPY,
        /// An archive of numpy arrays, each as it lies there.
        NPZ,
        /// A manifest whose codes, scales and zero points are numpy arrays.
        MANIFEST,
        /// A Hugging Face folder in float.
        SOURCE,
        /// A converted model.
        ARTIFACT
    }

    /// @param quantization `int4-g32`, … in an artifact; `skipped: why` for a tensor of a source
    ///   that is no weight; otherwise null
    /// @param sha256 over the tensor's bytes as stored
    /// @param relativeError L2, against the source; null where there is none
    public record TensorFacts(
            String name,
            String dtype,
            List<Long> shape,
            String quantization,
            long bytes,
            String sha256,
            Double relativeError) {}

    public Inspection {
        facts = new LinkedHashMap<>(facts);
        tensors = List.copyOf(tensors);
    }

    /// Looks into a safetensors, GGUF or NPZ file, a numpy array, a manifest of ours or of the
    /// older forms, an artifact's or a Hugging Face folder.
    ///
    /// @throws EngineException naming what is broken or not supported
    public static Inspection of(Path path) {
        try {
            return look(path);
        } catch (InternalError mapping) {
            throw SourceModel.shortened(path, mapping);
        }
    }

    private static Inspection look(Path path) {
        if (Files.isDirectory(path)) {
            return Files.exists(path.resolve(ModelFiles.MANIFEST)) ? artifact(path) : source(path);
        }
        if (!Files.isRegularFile(path)) {
            throw new EngineException(
                    Reason.SOURCE_NOT_FOUND, path + ": there is no such file or folder");
        }
        String name = path.getFileName().toString();
        Path folder = path.toAbsolutePath().getParent();
        if (name.equals(ModelFiles.MANIFEST)) {
            // The older forms name no model digest.
            boolean ours = StrictJson.object(path).has("model_digest");
            return ours ? artifact(folder) : manifest(path);
        }
        if (name.equals(ModelFiles.CONFIG) || name.endsWith(".safetensors.index.json")) {
            return source(folder);
        }
        String start = start(path);
        if (start.startsWith("\u0093NUMPY") || name.endsWith(".npy")) {
            return npy(path);
        }
        if (start.startsWith("GGUF") || name.endsWith(".gguf")) {
            return gguf(path);
        }
        if (start.startsWith("PK") || name.endsWith(".npz")) {
            return npz(path);
        }
        if (name.endsWith(".json")) {
            return manifest(path);
        }
        return safetensors(path);
    }

    private static String start(Path path) {
        try (InputStream in = Files.newInputStream(path)) {
            return new String(in.readNBytes(8), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, path + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static Inspection safetensors(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.open(path, arena);
            Map<String, String> facts = new LinkedHashMap<>();
            file.header().metadata().forEach((key, value) -> facts.put("metadata." + key, value));
            return new Inspection(
                    Kind.SAFETENSORS,
                    path,
                    facts,
                    file.tensors().stream().map(tensor -> stored(tensor, null)).toList());
        }
    }

    private static Inspection gguf(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            GgufFile file = GgufFile.open(path, arena);
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("version", Integer.toString(file.version()));
            facts.put("sha256", Digests.file(path).sha256());
            facts.put("tensors", Integer.toString(file.tensors().size()));
            file.metadata()
                    .values()
                    .forEach((key, value) ->
                            facts.put(
                                    "metadata." + key,
                                    value instanceof GgufValue.Text text
                                            ? text.value()
                                            : GgufMetadata.shown(value)));
            return new Inspection(
                    Kind.GGUF,
                    path,
                    facts,
                    file.tensors().stream()
                            .map(tensor ->
                                    new TensorFacts(
                                            tensor.name(),
                                            tensor.type().name(),
                                            tensor.shape(),
                                            null,
                                            tensor.data().byteSize(),
                                            Digests.of(tensor.data()),
                                            null))
                            .toList());
        }
    }

    private static TensorFacts stored(Tensor tensor, String quantization) {
        return new TensorFacts(
                tensor.name(),
                tensor.type().name(),
                tensor.shape(),
                quantization,
                tensor.data().byteSize(),
                Digests.of(tensor.data()),
                null);
    }

    private static Inspection npy(Path path) {
        NpyArray array = NpyArray.read(path);
        Manifest.FileEntry file = Digests.file(path);
        TensorFacts tensor =
                new TensorFacts(
                        path.getFileName().toString(),
                        "F32",
                        array.shape(),
                        null,
                        4L * array.values().length,
                        file.sha256(),
                        null);
        return new Inspection(Kind.NPY, path, Map.of(), List.of(tensor));
    }

    private static Inspection npz(Path path) {
        try (NpzFile file = NpzFile.open(path)) {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("sha256", Digests.file(path).sha256());
            facts.put("arrays", Integer.toString(file.arrays().size()));
            List<TensorFacts> arrays = new ArrayList<>();
            for (NpzFile.ArrayFacts array : file.arrays()) {
                try (InputStream numbers = file.numbers(array.key())) {
                    arrays.add(
                            new TensorFacts(
                                    array.key(),
                                    array.type().name(),
                                    array.shape(),
                                    null,
                                    array.bytes(),
                                    Digests.of(numbers),
                                    null));
                } catch (IOException e) {
                    throw InputFiles.unreadable(path, e);
                }
            }
            return new Inspection(Kind.NPZ, path, facts, arrays);
        }
    }

    private static Inspection manifest(Path path) {
        try (LooseModel model = LooseModel.open(path)) {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("sha256", Digests.file(path).sha256());
            facts.put("tensors", Integer.toString(model.loose().size()));
            facts.put("files", Integer.toString(model.files().size()));
            List<TensorFacts> tensors = new ArrayList<>();
            for (LooseTensor tensor : model.loose()) {
                long bytes = 0;
                for (MemorySegment part : tensor.parts()) {
                    bytes += part.byteSize();
                }
                tensors.add(
                        new TensorFacts(
                                tensor.key(),
                                tensor.type(),
                                tensor.storedShape(),
                                tensor.quantization(),
                                bytes,
                                Digests.of(tensor.parts()),
                                null));
            }
            return new Inspection(Kind.MANIFEST, path, facts, tensors);
        }
    }

    private static Inspection source(Path path) {
        try (SourceModel model = SourceModel.open(path)) {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("family", model.plan().family());
            facts.put("layers", Integer.toString(model.plan().layers().size()));
            facts.put("context_length", Integer.toString(model.plan().contextLength()));
            facts.put("dtype", model.dataType());
            facts.put("tensors", Integer.toString(model.plannedTensors().size()));
            List<TensorFacts> tensors = new ArrayList<>();
            model.plannedTensors().forEach(t -> tensors.add(source(model.tensor(t.name()), null)));
            model.skippedTensors().forEach(t -> tensors.add(skipped(model.skipped(t), t)));
            return new Inspection(Kind.SOURCE, path, facts, tensors);
        }
    }

    private static TensorFacts skipped(SourceTensor tensor, Manifest.SkippedTensor why) {
        return source(tensor, "skipped: " + why.reason());
    }

    private static TensorFacts source(SourceTensor tensor, String quantization) {
        return new TensorFacts(
                tensor.name(),
                tensor.type(),
                tensor.shape(),
                quantization,
                tensor.bytes(),
                Digests.of(tensor.stored()),
                null);
    }

    private static Inspection artifact(Path path) {
        try (Artifact artifact = Artifact.open(path, true)) {
            Manifest manifest = artifact.manifest();
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("model_digest", manifest.modelDigest());
            facts.put("weights_digest", manifest.weightsDigest());
            facts.put("manifest_sha256", artifact.manifestSha256());
            facts.put("family", artifact.plan().family());
            facts.put("tensors", Integer.toString(manifest.weights().size()));
            if (manifest.recipe() != null) {
                facts.put("recipe", manifest.recipe().canonical());
                facts.put("encoder_version", manifest.recipe().encoderVersion());
            }
            if (manifest.statistics() != null) {
                Manifest.Statistics statistics = manifest.statistics();
                facts.put("parameters", Long.toString(statistics.parameters()));
                facts.put("bytes", Long.toString(statistics.bytes()));
                facts.put("bits_per_weight", Double.toString(statistics.bitsPerWeight()));
                facts.put("ratio_to_fp32", Double.toString(statistics.ratioToFp32()));
                facts.put("ratio_to_source", Double.toString(statistics.ratioToSource()));
            }
            return new Inspection(
                    Kind.ARTIFACT,
                    path,
                    facts,
                    manifest.weights().stream().map(Inspection::converted).toList());
        }
    }

    private static TensorFacts converted(Manifest.Weight weight) {
        return new TensorFacts(
                weight.name(),
                weight.dtype(),
                weight.shape(),
                weight.quantization(),
                weight.bytes(),
                weight.sha256(),
                weight.errors() == null ? null : weight.errors().relativeL2());
    }
}
