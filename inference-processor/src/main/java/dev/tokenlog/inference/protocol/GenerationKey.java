package dev.tokenlog.inference.protocol;

/// A generation within its partition: the place of its prompt, and the name that its events carry.
record GenerationKey(long promptOffset, String generationId) {}
