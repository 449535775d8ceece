package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.Optional;

/// A Hugging Face folder in float, memory-mapped: `config.json` and safetensors.
public final class SourceModel implements Model {

    private SourceModel() {}

    public static SourceModel open(Path folder) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Path folder() {
        throw new UnsupportedOperationException();
    }

    @Override
    public ModelPlan plan() {
        throw new UnsupportedOperationException();
    }

    @Override
    public Optional<String> digest() {
        return Optional.empty();
    }

    @Override
    public Matrix matrix(String tensor) {
        throw new UnsupportedOperationException();
    }

    @Override
    public float[] vector(String tensor) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Optional<Path> file(String name) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
