package dev.tokenlog.client;

import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import java.util.Optional;

/// What the topics know about a model id.
///
/// @param manifest the latest manifest published under it; empty after its tombstone
/// @param serving what the registry says; empty before it has said anything
public record ModelEntry(
        String modelId, Optional<ModelManifest> manifest, Optional<ModelServing> serving) {}
