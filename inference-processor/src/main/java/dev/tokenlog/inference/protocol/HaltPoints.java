package dev.tokenlog.inference.protocol;

/// Is told of every [HaltPoint] that a worker passes, on the protocol thread.
@FunctionalInterface
public interface HaltPoints {

    /// Nothing happens anywhere.
    HaltPoints NONE = (_, _, _, _) -> {};

    /// @param partition and offset of the prompt whose generation is there
    /// @param attempt at it that this worker makes
    void reached(HaltPoint point, int partition, long promptOffset, int attempt);
}
