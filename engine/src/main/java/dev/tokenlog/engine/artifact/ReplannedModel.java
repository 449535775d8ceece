package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.Optional;

/// The weights of a model under another plan, for comparisons. The digest is still that of the
/// weights' own model, since it decides the arithmetic; it does not name what this one computes.
///
/// @param model closed with this one
public record ReplannedModel(Model model, ModelPlan plan) implements Model {

    @Override
    public Path folder() {
        return model.folder();
    }

    @Override
    public Optional<String> digest() {
        return model.digest();
    }

    @Override
    public Matrix matrix(String tensor) {
        return model.matrix(tensor);
    }

    @Override
    public float[] vector(String tensor) {
        return model.vector(tensor);
    }

    @Override
    public Optional<Path> file(String name) {
        return model.file(name);
    }

    @Override
    public void close() {
        model.close();
    }
}
