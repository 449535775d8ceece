package dev.tokenlog.inference.protocol;

/// Is told of every [HaltPoint] that a worker passes, on the protocol thread.
@FunctionalInterface
public interface HaltPoints {

    /// Nothing happens anywhere.
    HaltPoints NONE = _ -> {};

    void reached(HaltPoint point);
}
