package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.PlannedTensor;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// The tensors of a source under the hub's names, wherever they lie.
interface SourceWeights {

    /// In the order of their files.
    List<SourceTensor> tensors();

    Optional<SourceTensor> tensor(String name);

    /// The file that holds a tensor, for errors.
    Path fileOf(String name);

    /// All files that were read for the weights.
    List<Path> files();

    /// Why a tensor that no plan reads may be left out, beside the reasons of [SkippedTensors];
    /// empty where there is none.
    default Optional<String> skipReason(String name) {
        return Optional.empty();
    }

    /// Types of tensors that can be read, for errors.
    String readableTypes();

    boolean isReadable(SourceTensor tensor);

    /// Whether conversions are told, tensor by tensor, that codes were taken over.
    boolean hasCodes();

    /// The recipe by which the source's own codes are kept; empty where no code of ours holds them,
    /// or where it has none.
    default Optional<Recipe> recipe(List<PlannedTensor> planned) {
        return Optional.empty();
    }
}
