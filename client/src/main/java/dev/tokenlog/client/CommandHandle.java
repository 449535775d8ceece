package dev.tokenlog.client;

/// A command to the registry, as it stands in the log. A refusal names this place.
///
/// @param topic with its prefix
/// @param deadLettersOffset where `dead-letters` ended before the command was sent
public record CommandHandle(String topic, int partition, long offset, long deadLettersOffset) {}
