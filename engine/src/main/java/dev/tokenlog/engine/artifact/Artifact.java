package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A converted model, memory-mapped. Opening it checks that manifest, layer plan, configuration,
/// tokenizer and template files fit the model digest, and that every tensor has its type and shape;
/// the numbers themselves are read and compared only when asked.
public final class Artifact implements Model {

    private final Path folder;
    private final Manifest manifest;
    private final String manifestSha256;
    private final ModelPlan plan;
    private final StoredWeights weights;

    private Artifact(
            Path folder,
            Manifest manifest,
            String manifestSha256,
            ModelPlan plan,
            StoredWeights weights) {
        this.folder = folder;
        this.manifest = manifest;
        this.manifestSha256 = manifestSha256;
        this.plan = plan;
        this.weights = weights;
    }

    /// @param verifyDigests whether every byte of the weights is read and compared with the
    ///   manifest
    /// @throws EngineException `MODEL_UNREADABLE`, naming the tensor, file or field
    public static Artifact open(Path folder, boolean verifyDigests) {
        Path absolute = folder.toAbsolutePath().normalize();
        try {
            Artifact artifact = read(absolute);
            if (verifyDigests) {
                artifact.verify();
            }
            return artifact;
        } catch (EngineException e) {
            throw new EngineException(Reason.MODEL_UNREADABLE, e.getMessage(), e);
        } catch (InternalError mapping) {
            throw shortened(folder, mapping);
        }
    }

    /// What the JVM throws where a mapped file has lost the page that is read.
    static EngineException shortened(Path folder, InternalError mapping) {
        return new EngineException(
                Reason.MODEL_UNREADABLE,
                folder + ": a weight file became shorter while it was read",
                mapping);
    }

    private void verify() {
        boolean verified = false;
        try {
            weights.verify(manifest.weights());
            verified = true;
        } finally {
            if (!verified) {
                close();
            }
        }
    }

    private static Artifact read(Path folder) {
        Path file = folder.resolve(ModelFiles.MANIFEST);
        byte[] bytes = StrictJson.bytes(file);
        Manifest manifest = ManifestFile.read(bytes, file);
        checkDigests(folder, file, manifest);
        ModelPlan plan = ModelPlans.read(folder.resolve(ModelFiles.CONFIG));
        if (!Digests.plan(plan).equals(manifest.planSha256())) {
            throw unreadable(
                    file, "config.json gives another layer plan than the one that was converted");
        }
        StoredWeights weights =
                StoredWeights.open(folder, PlannedTensor.of(plan), manifest.weights());
        return new Artifact(folder, manifest, Digests.of(bytes), plan, weights);
    }

    /// The bytes of all weights of an artifact, as its manifest says before the artifact is opened;
    /// opening refuses a manifest that says it wrongly.
    ///
    /// @throws EngineException `MODEL_UNREADABLE`
    public static long weightBytes(Path folder) {
        Path file = folder.resolve(ModelFiles.MANIFEST);
        try {
            return ManifestFile.read(StrictJson.bytes(file), file).weights().stream()
                    .mapToLong(Manifest.Weight::bytes)
                    .reduce(0, Math::addExact);
        } catch (EngineException e) {
            throw new EngineException(Reason.MODEL_UNREADABLE, e.getMessage(), e);
        } catch (ArithmeticException e) {
            throw unreadable(file, "the weights together take more bytes than can be counted");
        }
    }

    /// The small files have their digests, and all digests together give the model's. What a
    /// manifest says has to give the digests that it says.
    static void checkDigests(Path file, Manifest manifest) {
        if (!Digests.weights(manifest.weights()).equals(manifest.weightsDigest())) {
            throw unreadable(file, "the list of weights does not give weights_digest");
        }
        String model =
                Digests.model(manifest.weightsDigest(), manifest.planSha256(), manifest.files());
        if (!model.equals(manifest.modelDigest())) {
            throw unreadable(file, "weights, plan and files do not give model_digest");
        }
        for (Manifest.FileEntry entry : manifest.files()) {
            if (!ModelFiles.isKnown(entry.path())) {
                throw unreadable(file, "'" + entry.path() + "' is no file of a model");
            }
        }
    }

    private static void checkDigests(Path folder, Path file, Manifest manifest) {
        checkDigests(file, manifest);
        String model = manifest.modelDigest();
        String name = folder.getFileName().toString();
        if (Digests.isModelDigest(name) && !name.equals(model)) {
            throw unreadable(file, "model_digest " + model + " in a folder of another digest");
        }
        List<String> listed = manifest.files().stream().map(Manifest.FileEntry::path).toList();
        for (Manifest.FileEntry entry : manifest.files()) {
            Manifest.FileEntry found = Digests.file(folder.resolve(entry.path()));
            if (!found.sha256().equals(entry.sha256())) {
                throw unreadable(
                        folder.resolve(entry.path()),
                        "SHA-256 is " + found.sha256() + ", expected " + entry.sha256());
            }
        }
        for (String known : ModelFiles.in(folder)) {
            if (!listed.contains(known)) {
                throw unreadable(folder.resolve(known), "the manifest does not list this file");
            }
        }
    }

    private static EngineException unreadable(Path file, String what) {
        return new EngineException(Reason.MODEL_UNREADABLE, file + ": " + what);
    }

    public Manifest manifest() {
        return manifest;
    }

    /// SHA-256, hex, of the bytes of manifest.json.
    public String manifestSha256() {
        return manifestSha256;
    }

    @Override
    public Path folder() {
        return folder;
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public Optional<String> digest() {
        return Optional.of(manifest.modelDigest());
    }

    @Override
    public Matrix matrix(String name) {
        return weights.matrix(name);
    }

    @Override
    public float[] vector(String name) {
        return Floats.widen(weights.vector(name));
    }

    @Override
    public Optional<Path> file(String name) {
        return ModelFiles.find(folder, name);
    }

    @Override
    public void close() {
        weights.close();
    }
}
