package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The tensors of a folder that make up one quantized matrix: `MODULE.qweight`, `MODULE.scales`, …
final class TensorParts {

    private final FolderWeights folder;
    private final String module;
    private final String known;
    private final Set<String> names = new LinkedHashSet<>();
    private long bytes;

    /// @param known a part that is there
    TensorParts(FolderWeights folder, String module, String known) {
        this.folder = folder;
        this.module = module;
        this.known = known;
    }

    /// The name of the matrix on the hub.
    String name() {
        return module + ".weight";
    }

    /// Of all parts that were asked for.
    long bytes() {
        return bytes;
    }

    /// The same parts by their names.
    Set<String> names() {
        return names;
    }

    Optional<Tensor> find(String part, DataType... types) {
        Optional<Tensor> found = folder.raw(module + "." + part);
        found.ifPresent(tensor -> {
            if (!Arrays.asList(types).contains(tensor.type())) {
                throw unsupported(
                        part,
                        "dtype %s, expected one of %s"
                                .formatted(tensor.type(), Arrays.toString(types)));
            }
            if (names.add(module + "." + part)) {
                bytes += tensor.data().byteSize();
            }
        });
        return found;
    }

    Tensor get(String part, DataType... types) {
        return find(part, types).orElseThrow(() -> unreadable(part, "is missing beside the codes"));
    }

    /// A matrix, with dimensions that fit an int.
    Tensor matrix(String part, DataType... types) {
        Tensor tensor = get(part, types);
        if (tensor.shape().size() != 2) {
            throw unreadable(part, "shape " + tensor.shape() + ", expected a matrix");
        }
        for (long dimension : tensor.shape()) {
            if (dimension < 1 || dimension > 1 << 27) {
                throw unreadable(part, "shape " + tensor.shape() + " of a weight");
            }
        }
        return tensor;
    }

    void requireShape(String part, Tensor tensor, long... shape) {
        List<Long> expected = Arrays.stream(shape).boxed().toList();
        if (!tensor.shape().equals(expected)) {
            throw unreadable(part, "shape " + tensor.shape() + ", expected " + expected);
        }
    }

    EngineException unreadable(String part, String why) {
        return refusal(Reason.SOURCE_UNREADABLE, part, why);
    }

    EngineException unsupported(String part, String why) {
        return refusal(Reason.UNSUPPORTED, part, why);
    }

    private EngineException refusal(Reason reason, String part, String why) {
        String name = module + "." + part;
        return new EngineException(
                reason,
                "%s: tensor '%s': %s"
                        .formatted(
                                folder.fileOf(
                                        folder.raw(name).isPresent() ? name : module + "." + known),
                                name,
                                why));
    }
}
