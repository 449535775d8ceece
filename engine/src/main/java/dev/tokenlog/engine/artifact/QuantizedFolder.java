package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tensor.Tensor;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// The weights of a folder whose `config.json` has a `quantization_config`: matrices that are made
/// of several tensors, and others in float.
final class QuantizedFolder implements SourceWeights {

    private static final String WEIGHT = ".weight";

    /// Scales of activations: the engine finds its own as it runs.
    private static final List<String> ACTIVATIONS =
            List.of(".input_scale", ".input_zero_point", ".input_g_idx", ".activation_scale");

    /// Narrow ones first.
    private static final List<NumberCode> CODES =
            List.of(
                    NumberCode.INT2,
                    NumberCode.UINT2,
                    NumberCode.INT4,
                    NumberCode.UINT4,
                    NumberCode.INT8,
                    NumberCode.UINT8);

    private final FolderWeights folder;
    private final QuantizationConfig config;
    private final Map<String, SourceTensor> tensors = new LinkedHashMap<>();

    private QuantizedFolder(FolderWeights folder, QuantizationConfig config) {
        this.folder = folder;
        this.config = config;
    }

    /// @throws EngineException naming a tensor whose parts do not fit together
    static QuantizedFolder of(FolderWeights folder, QuantizationConfig config) {
        QuantizedFolder quantized = new QuantizedFolder(folder, config);
        quantized.read();
        return quantized;
    }

    private void read() {
        Set<String> parts = new HashSet<>();
        for (String name : folder.storedNames().keySet()) {
            if (name.lastIndexOf('.') < 1) {
                continue; // of no module
            }
            String module = name.substring(0, name.lastIndexOf('.'));
            String part = name.substring(name.lastIndexOf('.') + 1);
            Optional<SourceTensor> coded = coded(module, part, parts);
            coded.ifPresent(tensor -> put(name, tensor));
        }
        for (SourceTensor tensor : folder.tensors()) {
            if (!parts.contains(tensor.name())) {
                put(tensor.name(), tensor);
            }
        }
    }

    private void put(String stored, SourceTensor tensor) {
        if (tensors.put(tensor.name(), tensor) != null) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: tensor '%s' is there in codes and once more"
                            .formatted(folder.fileOf(stored), tensor.name()));
        }
    }

    /// The matrix whose codes stand in a part, if it is such a part.
    ///
    /// @param taken gets the names of all its parts
    private Optional<SourceTensor> coded(String module, String part, Set<String> taken) {
        TensorParts parts = new TensorParts(folder, module, part);
        DataType type = folder.raw(module + "." + part).map(Tensor::type).orElse(null);
        SourceTensor tensor =
                switch (config.method()) {
                    case GPTQ ->
                            part.equals(GptqCodes.CODES) ? GptqCodes.gptq(parts, config) : null;
                    case AWQ -> part.equals(GptqCodes.CODES) ? GptqCodes.awq(parts, config) : null;
                    case COMPRESSED_TENSORS ->
                            part.equals(CompressedCodes.PACKED)
                                    ? CompressedCodes.packed(parts, config)
                                    : plain(parts, part, type, CompressedCodes.SCALE);
                    case FP8 -> plain(parts, part, type, fp8Scale(module));
                    case FBGEMM_FP8 -> plain(parts, part, type, CompressedCodes.SCALE);
                };
        if (tensor != null) {
            taken.addAll(parts.names());
        }
        return Optional.ofNullable(tensor);
    }

    private String fp8Scale(String module) {
        String plain = CompressedCodes.SCALE;
        return folder.raw(module + "." + plain).isPresent() ? plain : "weight_scale_inv";
    }

    private SourceTensor plain(TensorParts parts, String part, DataType type, String scale) {
        if (!part.equals(CompressedCodes.PLAIN)) {
            return null;
        }
        return switch (type) {
            case I8 -> CompressedCodes.plain(parts, config);
            case F8_E4M3 -> Fp8Tensor.of(parts, scale, config);
            default -> null;
        };
    }

    @Override
    public List<SourceTensor> tensors() {
        return List.copyOf(tensors.values());
    }

    @Override
    public Optional<SourceTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    @Override
    public Path fileOf(String name) {
        return Stream.of(GptqCodes.CODES, CompressedCodes.PACKED)
                .map(part -> name.replaceFirst("\\.weight$", "." + part))
                .filter(part -> folder.raw(part).isPresent())
                .findFirst()
                .map(folder::fileOf)
                .orElseGet(() -> folder.fileOf(name));
    }

    /// Some programs give every module a bias, of zeros where the model has none.
    @Override
    public Optional<String> skipReason(String name) {
        if (ACTIVATIONS.stream().anyMatch(name::endsWith)) {
            return Optional.of("scale of activations; the engine finds them as it runs");
        }
        boolean zeros =
                name.endsWith(".bias")
                        && tensors.get(name.replaceFirst("\\.bias$", WEIGHT)) instanceof CodedTensor
                        && isZero(tensors.get(name));
        return zeros
                ? Optional.of("a bias of zeros; the configuration has none")
                : folder.skipReason(name);
    }

    private boolean isZero(SourceTensor tensor) {
        if (!folder.isReadable(tensor)) {
            return false;
        }
        for (float value : tensor.vector()) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public List<Path> files() {
        return folder.files();
    }

    @Override
    public String readableTypes() {
        return folder.readableTypes() + ", or codes with scales";
    }

    @Override
    public boolean isReadable(SourceTensor tensor) {
        return tensor instanceof CodedTensor
                || tensor instanceof Fp8Tensor
                || folder.isReadable(tensor);
    }

    @Override
    public boolean hasCodes() {
        return true;
    }

    /// The usual recipe of a code and a group size by which the most weights keep their codes; the
    /// narrowest and longest of equals.
    @Override
    public Optional<Recipe> recipe(List<PlannedTensor> planned) {
        List<PlannedTensor> coded =
                planned.stream()
                        .filter(each -> each.kind().isQuantizable())
                        .filter(each -> tensors.get(each.name()) instanceof CodedTensor)
                        .toList();
        Recipe best = null;
        long most = 0;
        for (NumberCode code : CODES) {
            for (int groupSize : new int[] {Recipe.PER_ROW, 128, 64, 32}) {
                Recipe recipe = Recipe.of(code, groupSize);
                long kept =
                        coded.stream()
                                .filter(each -> keeps(recipe, each))
                                .mapToLong(PlannedTensor::elements)
                                .sum();
                if (kept > most) {
                    most = kept;
                    best = recipe;
                }
            }
        }
        return Optional.ofNullable(best);
    }

    private boolean keeps(Recipe recipe, PlannedTensor planned) {
        StoredTensor stored = StoredTensor.by(recipe, planned);
        return tensors.get(planned.name()).holds(stored.code(), stored.groupSize());
    }
}
