package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// A model that a test made up.
public final class MemoryModel implements Model {

    private final ModelPlan plan;
    private final Optional<String> digest;
    private final Map<String, Matrix> matrices = new HashMap<>();
    private final Map<String, float[]> vectors = new HashMap<>();

    MemoryModel(ModelPlan plan, Optional<String> digest) {
        this.plan = plan;
        this.digest = digest;
    }

    void put(Matrix matrix) {
        matrices.put(matrix.name(), matrix);
    }

    void put(String name, float[] vector) {
        vectors.put(name, vector);
    }

    @Override
    public Path folder() {
        return Path.of("memory");
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public Optional<String> digest() {
        return digest;
    }

    @Override
    public Matrix matrix(String tensor) {
        return matrices.get(tensor);
    }

    @Override
    public float[] vector(String tensor) {
        return vectors.get(tensor);
    }

    @Override
    public Optional<Path> file(String name) {
        return Optional.empty();
    }

    @Override
    public void close() {}
}
