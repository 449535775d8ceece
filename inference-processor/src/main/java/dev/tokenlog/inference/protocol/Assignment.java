package dev.tokenlog.inference.protocol;

import java.util.OptionalLong;

/// A partition that the group gave to this worker.
///
/// @param committed the committed offset, else the log's start
/// @param safeBeginning from the commit's metadata
/// @param missing offset of the first prompt that was deleted before anybody processed it; the last
///   one stands before `committed`
public record Assignment(
        int partition, long committed, OptionalLong safeBeginning, OptionalLong missing) {}
