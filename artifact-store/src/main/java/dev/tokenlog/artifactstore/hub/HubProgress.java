package dev.tokenlog.artifactstore.hub;

/// How far a download is.
///
/// @param filesDone of `files`, those that were in the cache included
/// @param bytesDone of `bytesTotal`; what was in the cache, or had arrived before, included
/// @param bytesReceived from the network, by this download
/// @param bytesPerSecond over the last seconds, from the network alone
/// @param note why nothing moves; empty while all is well
public record HubProgress(
        int filesDone,
        int files,
        long bytesDone,
        long bytesTotal,
        long bytesReceived,
        long bytesPerSecond,
        String note) {}
