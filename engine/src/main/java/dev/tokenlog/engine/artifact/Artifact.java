package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.Optional;

/// A converted model, memory-mapped.
public final class Artifact implements Model {

    private Artifact() {}

    /// @param verifyDigests whether every byte is read and compared with the manifest; without it
    ///   only the manifest, the small files and the sizes are checked
    /// @throws dev.tokenlog.engine.EngineException `MODEL_UNREADABLE`, naming the tensor or file
    public static Artifact open(Path folder, boolean verifyDigests) {
        throw new UnsupportedOperationException();
    }

    public Manifest manifest() {
        throw new UnsupportedOperationException();
    }

    /// SHA-256, hex, of the bytes of manifest.json.
    public String manifestSha256() {
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
        throw new UnsupportedOperationException();
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
