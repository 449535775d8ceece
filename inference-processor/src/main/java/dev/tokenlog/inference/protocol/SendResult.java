package dev.tokenlog.inference.protocol;

/// What became of a record that was sent.
public sealed interface SendResult {

    /// It is in the log, on as many brokers as the topic asks for.
    record Acknowledged() implements SendResult {}

    /// The topic does not take records of this size; it is certainly not in the log.
    record TooLarge(String message) implements SendResult {}

    /// Nobody knows: it may be in the log, or come into it later.
    record Failed(String message) implements SendResult {}
}
