package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.hub.HubSnapshot;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.SourceModel;
import java.nio.file.Path;
import java.util.Optional;

/// The folder or GGUF file that a source has turned out to be.
///
/// @param folder or file
/// @param snapshot of the hub, where it comes from there
record LocatedSource(Path folder, Optional<HubSnapshot> snapshot) {

    /// What the log says of it, and what whoever validates the model finds it by.
    String name() {
        return snapshot.map(found -> found.id().toString()).orElseGet(folder::toString);
    }

    /// @param revision that was asked for
    Converter.Origin origin(String modelId, SourceModel source, String revision) {
        return snapshot.map(found ->
                        new Converter.Origin(
                                modelId, found.id().repository(), found.id().revision()))
                .orElseGet(() -> new Converter.Origin(modelId, source.name(), revision));
    }
}
