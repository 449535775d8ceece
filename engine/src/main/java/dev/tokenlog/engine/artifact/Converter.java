package dev.tokenlog.engine.artifact;

/// Turns a source into an artifact.
public final class Converter {

    /// Changes whenever the same source and recipe would give other bytes.
    public static final String ENCODER_VERSION = "tokenlog-1";

    private final int threads;

    public Converter(int threads) {
        this.threads = threads;
    }

    /// @param name of the model, for people; stands in the manifest
    /// @param repository where the source came from: a hub id, or the name of the folder
    /// @param revision of the repository, or null
    public record Origin(String name, String repository, String revision) {

        /// The folder's own name for both.
        public static Origin of(SourceModel source) {
            String name = source.folder().getFileName().toString();
            return new Origin(name, name, null);
        }
    }

    /// [#convert(SourceModel, Recipe, ArtifactStore, Origin, ConversionListener)] under the
    /// folder's name.
    public Artifact convert(
            SourceModel source, Recipe recipe, ArtifactStore store, ConversionListener listener) {
        return convert(source, recipe, store, Origin.of(source), listener);
    }

    /// Converts tensor by tensor, publishes the artifact in the store and opens it. Takes up an
    /// interrupted conversion of the same source by the same recipe.
    ///
    /// @throws java.util.concurrent.CancellationException when the listener says so, or the thread
    ///   is interrupted
    /// @throws dev.tokenlog.engine.EngineException `UNSUPPORTED`, `SOURCE_UNREADABLE` or
    ///   `STORAGE_FAILED`, naming tensor or file
    public Artifact convert(
            SourceModel source,
            Recipe recipe,
            ArtifactStore store,
            Origin origin,
            ConversionListener listener) {
        throw new UnsupportedOperationException("threads=" + threads);
    }
}
