package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.gguf.BlockDecoder;
import dev.tokenlog.engine.format.gguf.GgufFile;
import dev.tokenlog.engine.format.gguf.GgufTensor;
import dev.tokenlog.engine.format.gguf.GgufType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The tensors of a GGUF file under the hub's names. A tensor that the architecture does not know
/// keeps its own name, so that whoever reads the plan refuses it by that.
final class GgufWeights implements SourceWeights {

    private static final Pattern LAYER =
            Pattern.compile(
                    "blk\\.(?<layer>[0-9]{1,6})\\.(?<role>[a-z0-9_]+)\\.(?<ending>weight|bias)");

    private static final Map<String, String> AROUND =
            Map.of(
                    "token_embd.weight", "model.embed_tokens.weight",
                    "output_norm.weight", "model.norm.weight",
                    "output.weight", "lm_head.weight");

    private static final Set<String> ROTATED = Set.of("attn_q", "attn_k");

    private final GgufFile file;
    private final Set<String> readTensors;
    private final Map<String, SourceTensor> tensors = new LinkedHashMap<>();

    /// @param headSize of queries and keys
    GgufWeights(GgufFile file, GgufConfiguration.Translated translated, int headSize) {
        this.file = file;
        this.readTensors = translated.readTensors();
        for (GgufTensor tensor : file.tensors()) {
            add(tensor, translated, headSize);
        }
    }

    /// What the file calls a tensor around the layers that the hub calls so.
    static Optional<String> around(String hub) {
        return AROUND.entrySet().stream()
                .filter(entry -> entry.getValue().equals(hub))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    private void add(GgufTensor tensor, GgufConfiguration.Translated translated, int headSize) {
        GgufArchitecture architecture = translated.architecture();
        Matcher matcher = LAYER.matcher(tensor.name());
        String module =
                matcher.matches() ? architecture.tensors().get(matcher.group("role")) : null;
        if (module == null) {
            String name = AROUND.getOrDefault(tensor.name(), tensor.name());
            boolean shifted =
                    architecture.unitOffsetNorms() && tensor.name().equals("output_norm.weight");
            put(GgufSourceTensor.whole(name, tensor, 0, shifted), tensor);
            return;
        }
        String hub =
                "model.layers.%s.%s.%s"
                        .formatted(matcher.group("layer"), module, matcher.group("ending"));
        if (module.contains("{expert}")) {
            for (int expert = 0; expert < experts(tensor, translated.experts()); expert++) {
                String name = hub.replace("{expert}", Integer.toString(expert));
                put(GgufSourceTensor.expert(name, tensor, expert), tensor);
            }
            return;
        }
        boolean sorted = architecture.interleaved() && ROTATED.contains(matcher.group("role"));
        boolean shifted = architecture.unitOffsetNorms() && module.endsWith("norm");
        put(GgufSourceTensor.whole(hub, tensor, sorted ? headSize : 0, shifted), tensor);
    }

    private int experts(GgufTensor tensor, int expected) {
        if (tensor.shape().size() != 3 || tensor.shape().getFirst() != expected) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: tensor '%s': shape %s, expected one matrix for each of %d experts"
                            .formatted(file.path(), tensor.name(), tensor.shape(), expected));
        }
        return expected;
    }

    private void put(SourceTensor named, GgufTensor tensor) {
        if (tensors.put(named.name(), named) != null) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: tensor '%s': another one is '%s' as well"
                            .formatted(file.path(), tensor.name(), named.name()));
        }
    }

    /// The values of a tensor that is no weight.
    static float[] vector(GgufFile file, GgufTensor tensor) {
        if (BlockDecoder.of(tensor.type()).isEmpty()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: tensor '%s': type %s"
                            .formatted(file.path(), tensor.name(), tensor.type()));
        }
        return GgufSourceTensor.whole(tensor.name(), tensor, 0, false).vector();
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
        return file.path();
    }

    @Override
    public List<Path> files() {
        return List.of(file.path());
    }

    @Override
    public Optional<String> skipReason(String name) {
        return readTensors.contains(name)
                ? Optional.of("rotary factors; they stand in the configuration")
                : Optional.empty();
    }

    @Override
    public String readableTypes() {
        return "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K";
    }

    @Override
    public boolean isReadable(SourceTensor tensor) {
        return BlockDecoder.of(GgufType.valueOf(tensor.type())).isPresent();
    }

    @Override
    public boolean hasCodes() {
        return true;
    }
}
