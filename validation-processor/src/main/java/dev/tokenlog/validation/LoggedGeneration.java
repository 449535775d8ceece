package dev.tokenlog.validation;

import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import java.time.Instant;
import java.util.Optional;

/// A generation as the log holds it.
///
/// @param prompt empty: deleted, or not readable
/// @param promptTime when its prompt was appended
/// @param log its valid claims, tokens and end
record LoggedGeneration(
        int partition, Optional<PromptSubmitted> prompt, Instant promptTime, GenerationLog log) {}
