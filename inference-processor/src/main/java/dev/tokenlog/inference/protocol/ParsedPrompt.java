package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.UnsignedSeed;
import java.util.Optional;

/// What a prompt's record asks for.
///
/// @param generationId the name under which it is answered; null if it cannot be answered at all
/// @param bodyHash SHA-256 of the record's value
/// @param modelId fit to be repeated on the topic; null if none could be read
/// @param prompt null if it is refused for its shape
/// @param parameters defaults filled in; null if it is refused for its shape or its parameters
/// @param seed null if it is refused for its shape
/// @param refusal why it is not run, whatever the registry says
/// @param fairnessKey whose turn it takes
/// @param passHeaders whether the caller's headers are fit to be passed on
record ParsedPrompt(
        String generationId,
        String bodyHash,
        String modelId,
        PromptSubmitted prompt,
        Parameters parameters,
        UnsignedSeed seed,
        Optional<Refusal> refusal,
        String fairnessKey,
        boolean passHeaders) {}
