package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.file.Path;
import java.util.List;

/// The files of an artifact, by what its manifest says: for whoever moves artifacts. The names are
/// those of an artifact's files and nothing else, so that no manifest leads out of a folder.
///
/// @param small configuration, tokenizer and template files
/// @param weights of codes, scales and floats, in the order of the manifest
/// @param weightBytes of all tensors; the files are larger by their headers
public record ArtifactFiles(List<String> small, List<String> weights, long weightBytes) {

    public static final String MANIFEST = ModelFiles.MANIFEST;

    /// @param digest that the manifest has to give
    /// @throws EngineException `MODEL_UNREADABLE` if it does not, or names files that no artifact
    ///   has
    public static ArtifactFiles of(Path manifestFile, String digest) {
        try {
            Manifest manifest = ManifestFile.read(StrictJson.bytes(manifestFile), manifestFile);
            Artifact.checkDigests(manifestFile, manifest);
            if (!manifest.modelDigest().equals(digest)) {
                throw unreadable(manifestFile, "is of " + manifest.modelDigest());
            }
            List<String> weights =
                    manifest.weights().stream().map(Manifest.Weight::file).distinct().toList();
            for (String name : weights) {
                if (!StoredWeights.isWeightFile(name)) {
                    throw unreadable(manifestFile, "'" + name + "' is no name of a weight file");
                }
            }
            return new ArtifactFiles(
                    manifest.files().stream().map(Manifest.FileEntry::path).toList(),
                    weights,
                    manifest.weights().stream()
                            .mapToLong(Manifest.Weight::bytes)
                            .reduce(0, Math::addExact));
        } catch (ArithmeticException e) {
            throw unreadable(manifestFile, "the weights take more bytes than can be counted");
        } catch (EngineException e) {
            throw new EngineException(Reason.MODEL_UNREADABLE, e.getMessage(), e);
        }
    }

    private static EngineException unreadable(Path file, String what) {
        return new EngineException(Reason.MODEL_UNREADABLE, file + ": " + what);
    }
}
