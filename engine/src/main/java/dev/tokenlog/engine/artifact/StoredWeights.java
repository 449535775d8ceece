package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The weight files of an artifact, mapped, with what the manifest says about each tensor.
final class StoredWeights implements AutoCloseable {

    private static final Pattern FILE = Pattern.compile("weights-[0-9]{5}\\.safetensors");

    private final Path folder;
    private final Map<String, StoredTensor> stored;
    private final Map<String, Tensor> parts;
    private final Collection<MappedFile> files;
    private boolean closed;

    private StoredWeights(
            Path folder,
            Map<String, StoredTensor> stored,
            Map<String, Tensor> parts,
            Collection<MappedFile> files) {
        this.folder = folder;
        this.stored = stored;
        this.parts = parts;
        this.files = files;
    }

    static boolean isWeightFile(String name) {
        return FILE.matcher(name).matches();
    }

    /// Maps the files and checks that the plan, the manifest and the files agree on every tensor.
    static StoredWeights open(
            Path folder, List<PlannedTensor> planned, List<Manifest.Weight> weights) {
        Map<String, MappedFile> files = new LinkedHashMap<>();
        boolean opened = false;
        try {
            StoredWeights all = open(folder, planned, weights, files);
            opened = true;
            return all;
        } finally {
            if (!opened) {
                files.values().forEach(MappedFile::close);
            }
        }
    }

    private static StoredWeights open(
            Path folder,
            List<PlannedTensor> planned,
            List<Manifest.Weight> weights,
            Map<String, MappedFile> files) {
        Map<String, PlannedTensor> wanted =
                planned.stream()
                        .collect(Collectors.toMap(PlannedTensor::name, Function.identity()));
        Map<String, StoredTensor> stored = new LinkedHashMap<>();
        Map<String, Tensor> parts = new LinkedHashMap<>();
        for (Manifest.Weight weight : weights) {
            PlannedTensor plan = wanted.remove(weight.name());
            if (plan == null) {
                throw unreadable(
                        folder, weight.name(), "is not in the layer plan, or listed twice");
            }
            StoredTensor tensor = check(folder, plan, weight);
            Path path = folder.resolve(weight.file());
            MappedFile file = files.get(weight.file());
            if (file == null) {
                file = MappedFile.open(path);
                files.put(weight.file(), file);
            }
            for (Declared part : tensor.declared()) {
                parts.put(part.name(), find(path, file.file(), part));
            }
            stored.put(tensor.name(), tensor);
        }
        if (!wanted.isEmpty()) {
            throw unreadable(
                    folder, wanted.keySet().iterator().next(), "is missing in the manifest");
        }
        files.forEach((name, file) -> {
            for (Tensor tensor : file.file().tensors()) {
                if (!parts.containsKey(tensor.name())) {
                    throw unreadable(folder.resolve(name), tensor.name(), "is not in the manifest");
                }
            }
        });
        return new StoredWeights(folder, stored, parts, files.values());
    }

    private static StoredTensor check(Path folder, PlannedTensor plan, Manifest.Weight weight) {
        if (!FILE.matcher(weight.file()).matches()) {
            throw unreadable(
                    folder, weight.name(), "lies in '" + weight.file() + "', no weight file");
        }
        StoredTensor tensor =
                StoredTensor.parse(plan, weight.quantization())
                        .orElseThrow(() ->
                                unreadable(
                                        folder,
                                        weight.name(),
                                        "quantization '%s' is not supported"
                                                .formatted(weight.quantization())));
        if (!weight.shape().equals(plan.shape())
                || !weight.dtype().equals(tensor.dtype().name())
                || weight.bitWidth() != tensor.bitWidth()
                || weight.bytes() != tensor.bytes()
                || tensor.hasZeroPoints() != (weight.qZeroPoint() != null)) {
            throw unreadable(
                    folder,
                    weight.name(),
                    "shape, dtype, bit_width, zero points or bytes in the manifest do not fit "
                            + weight.quantization()
                            + " "
                            + plan.shape());
        }
        return tensor;
    }

    private static Tensor find(Path path, SafetensorsFile file, Declared part) {
        Tensor found =
                file.tensor(part.name())
                        .orElseThrow(() -> unreadable(path, part.name(), "is missing"));
        if (found.type() != part.type() || !found.shape().equals(part.shape())) {
            throw unreadable(
                    path,
                    part.name(),
                    "is %s %s, expected %s %s"
                            .formatted(found.type(), found.shape(), part.type(), part.shape()));
        }
        return found;
    }

    /// Reads every byte, and keeps none of it in memory.
    ///
    /// @throws EngineException naming the first tensor that differs from its digest
    void verify(List<Manifest.Weight> weights) {
        List<String> differing =
                weights.parallelStream().map(this::differs).flatMap(Optional::stream).toList();
        if (!differing.isEmpty()) {
            throw new EngineException(Reason.MODEL_UNREADABLE, differing.getFirst());
        }
    }

    private Optional<String> differs(Manifest.Weight weight) {
        MemorySegment[] data =
                stored.get(weight.name()).declared().stream()
                        .map(part -> parts.get(part.name()).data())
                        .toArray(MemorySegment[]::new);
        String found = Digests.of(data);
        for (MemorySegment part : data) {
            if (part.isMapped()) {
                part.unload();
            }
        }
        return found.equals(weight.sha256())
                ? Optional.empty()
                : Optional.of(
                        "%s: tensor '%s': SHA-256 is %s, expected %s"
                                .formatted(
                                        folder.resolve(weight.file()),
                                        weight.name(),
                                        found,
                                        weight.sha256()));
    }

    Matrix matrix(String name) {
        StoredTensor tensor = of(name);
        if (!tensor.planned().kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a vector, not a matrix");
        }
        if (!tensor.isQuantized()) {
            return new Matrix.Float(
                    name,
                    tensor.dtype(),
                    tensor.planned().rows(),
                    tensor.planned().columns(),
                    parts.get(name).data());
        }
        return new Matrix.Quantized(
                name,
                tensor.code(),
                tensor.planned().rows(),
                tensor.planned().columns(),
                tensor.groupSize(),
                parts.get(name).data(),
                parts.get(tensor.scalesName()).data(),
                tensor.hasZeroPoints() ? parts.get(tensor.zerosName()).data() : null);
    }

    Tensor vector(String name) {
        if (of(name).planned().kind().isMatrix()) {
            throw new IllegalArgumentException(name + ": a matrix, not a vector");
        }
        return parts.get(name);
    }

    private StoredTensor of(String name) {
        StoredTensor tensor = stored.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException(name + ": not a tensor of the plan");
        }
        return tensor;
    }

    /// Once: a second close must not take a file from another artifact that maps it as well.
    @Override
    public synchronized void close() {
        if (closed) {
            throw new IllegalStateException(folder + ": already closed");
        }
        closed = true;
        files.forEach(MappedFile::close);
    }

    private static EngineException unreadable(Path where, String tensor, String what) {
        return new EngineException(
                Reason.MODEL_UNREADABLE, where + ": tensor '" + tensor + "' " + what);
    }
}
