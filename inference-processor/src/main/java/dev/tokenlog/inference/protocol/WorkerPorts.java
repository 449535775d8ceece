package dev.tokenlog.inference.protocol;

/// Everything that a worker talks to.
public record WorkerPorts(
        ProtocolClock clock,
        TokenTopic tokens,
        PromptTopic prompts,
        DeadLetterTopic deadLetters,
        ModelCatalogue models,
        Inference inference,
        HaltPoints halts,
        Meter meter) {}
