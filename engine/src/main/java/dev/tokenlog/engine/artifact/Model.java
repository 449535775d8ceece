package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.Optional;

/// A model, opened and memory-mapped: either a source (a Hugging Face folder in float, or a GGUF
/// file) or an artifact (converted, named by its digest). Whoever opened it closes it, after
/// everything that reads from it.
public interface Model extends AutoCloseable {

    /// Where its configuration, tokenizer and template files lie.
    Path folder();

    ModelPlan plan();

    /// The artifact's model digest, `sha256-` and 64 hex digits; empty for a source.
    Optional<String> digest();

    /// A weight matrix by its tensor name in the plan.
    Matrix matrix(String tensor);

    /// A norm weight or bias, widened to float.
    float[] vector(String tensor);

    /// A tokenizer, configuration or template file of the folder, if it is there.
    Optional<Path> file(String name);

    @Override
    void close();
}
