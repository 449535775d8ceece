/// Artifacts in one compressed file, for cold storage and transport. Start reading at
/// [dev.tokenlog.artifactstore.pack.PackedArtifact].
package dev.tokenlog.artifactstore.pack;
