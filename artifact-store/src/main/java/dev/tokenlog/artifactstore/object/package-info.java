/// Artifacts by digest for several machines: a folder that they share, or a bucket of a store that
/// speaks the S3 protocol. Start reading at [dev.tokenlog.artifactstore.object.RemoteArtifacts].
package dev.tokenlog.artifactstore.object;
